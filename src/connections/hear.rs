//! What is done about a delivery: taken down in one transaction, once.

use time::OffsetDateTime;

use super::review_apps;
use crate::db::triggers::NewTrigger;
use crate::db::{self, Db, DbError};
use crate::model::{AppId, Cause, Connected, Connection, Delivered, Push, TriggerId, TriggerState};

/// What has become of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It had been heard before, and everything was done about it then.
    Again,
    /// Something will be deployed.
    Deploys,
    /// The forge will be asked again about the CI that a deploy waits for.
    Asks,
    /// Its branch is gone: what was to be deployed of it is not any more.
    GivesUp,
    /// Pushes are not deployed any more, as the forge does not let hoist in.
    Stops,
    /// It is about a pipeline's review apps, and this is done.
    ForReviewApps(&'static str),
    /// It is about another branch than the one that is deployed, or pushes are not deployed at all.
    NotWanted,
    /// A later push to the branch was heard before it.
    Overtaken,
    /// Whoever connected the repository may no longer deploy what it is connected to.
    NotAllowed,
    Nothing,
}

impl Heard {
    /// As the log and the forge's list of deliveries have it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Again => "was delivered before",
            Self::Deploys => "will be deployed",
            Self::Asks => "CI is looked at again",
            Self::GivesUp => "the branch is gone: it will not be deployed",
            Self::Stops => "pushes are not deployed any more, as hoist can't read the repository",
            Self::ForReviewApps(words) => words,
            Self::NotWanted => "is not deployed: the connection is not for pushes to this branch",
            Self::Overtaken => "is not deployed: a later push came first",
            Self::NotAllowed => "is not deployed: whoever connected the repository may no longer deploy here",
            Self::Nothing => "nothing to be done",
        }
    }
}

/// Whether the account in whose name a connection's builds are made may still deploy the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    MayDeploy,
    MayNot,
}

/// Takes down a delivery that was proved to be for a connection, and with it what is to be done about it: neither is there
/// without the other, whatever crashes. The same delivery does nothing when it comes again.
pub async fn hear(
    db: &Db,
    connection: &Connection,
    delivery: &str,
    told: &Delivered,
    rights: Rights,
    now: OffsetDateTime,
) -> Result<Heard, DbError> {
    let mut tx = db.write().await?;
    if !db::deliveries_in::insert(&mut tx, connection.id, delivery, told, now).await? {
        return Ok(Heard::Again);
    }
    let heard = act(&mut tx, connection, told, rights, now).await?;
    db::deliveries_in::set_outcome(&mut tx, connection.id, delivery, heard.words()).await?;
    tx.commit().await?;
    Ok(heard)
}

async fn act(
    tx: &mut db::Connection,
    connection: &Connection,
    told: &Delivered,
    rights: Rights,
    now: OffsetDateTime,
) -> Result<Heard, DbError> {
    let app = match connection.of {
        Connected::App(app) => app,
        Connected::Pipeline(_) if rights == Rights::MayNot && told.brings_code() => return Ok(Heard::NotAllowed),
        Connected::Pipeline(pipeline) => {
            return Ok(Heard::ForReviewApps(review_apps::take_up(tx, (connection, pipeline), told, now).await?));
        }
    };
    let some = |count: u64, heard| if count > 0 { heard } else { Heard::Nothing };
    match told {
        Delivered::Push(push) => act_on_push(tx, connection, app, push, rights, now).await,
        Delivered::Deletion { branch } => {
            let why = "its branch was deleted";
            Ok(some(db::triggers::give_up_branch(tx, connection.id, branch, why, now).await?, Heard::GivesUp))
        }
        Delivered::Ci { commit } => Ok(some(db::triggers::hasten(tx, connection.id, commit, now).await?, Heard::Asks)),
        Delivered::Uninstalled => Ok(some(db::connections::stop_without_secrets(tx, connection.id, now).await?, Heard::Stops)),
        Delivered::PullRequest(_) | Delivered::Ping | Delivered::Other => Ok(Heard::Nothing),
    }
}

async fn act_on_push(
    tx: &mut db::Connection,
    connection: &Connection,
    app: AppId,
    push: &Push,
    rights: Rights,
    now: OffsetDateTime,
) -> Result<Heard, DbError> {
    if !connection.auto_deploy || connection.branch.as_ref() != Some(&push.branch) {
        return Ok(Heard::NotWanted);
    }
    if rights == Rights::MayNot {
        return Ok(Heard::NotAllowed);
    }
    if db::triggers::is_newest_push(tx, connection.id, push).await? {
        return Ok(Heard::Again);
    }
    if db::triggers::is_overtaken(tx, connection.id, push).await? {
        return Ok(Heard::Overtaken);
    }
    let new = NewTrigger {
        id: TriggerId::new(),
        connection: connection.id,
        app,
        by: connection.by,
        cause: Cause::Push,
        branch: push.branch.clone(),
        commit: Some(push.after.clone()),
        before: push.before.clone(),
        pushed_at: push.pushed_at,
        state: if connection.wait_for_ci { TriggerState::WaitingForCi } else { TriggerState::Ready },
        at: now,
    };
    db::triggers::insert(tx, &new).await?;
    Ok(Heard::Deploys)
}
