//! What is done about a delivery: taken down in one transaction, once.

use time::OffsetDateTime;

use super::follow::{Name, follow};
use super::review_apps;
use crate::db::triggers::NewTrigger;
use crate::db::{self, Db, DbError};
use crate::model::{AppId, Cause, Connected, Connection, Delivered, NamedRepository, Push, PushOrder, TriggerId, TriggerState};

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
    /// The repository has another name now, by which it is known from here on.
    Renamed,
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
            Self::Renamed => "the repository is known by its new name",
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

/// With whose secret a delivery is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// The GitHub App's: GitHub itself says so.
    App,
    /// The connection's own, which whoever has made it knows.
    Connection,
}

/// A delivery that was proved to be for a connection.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// The forge's own id of it.
    pub id: &'a str,
    pub signer: Signer,
    /// The connection's repository, as it is named.
    pub repository: &'a NamedRepository,
    pub told: &'a Delivered,
}

/// Takes down a delivery, and with it what is to be done about it: neither is there without the other, whatever crashes. The
/// same delivery does nothing when it comes again. The connection follows its repository if that has got another name.
pub async fn hear(
    db: &Db,
    connection: &Connection,
    incoming: &Incoming<'_>,
    rights: Rights,
    now: OffsetDateTime,
) -> Result<Heard, DbError> {
    let &Incoming { id, signer, repository, told } = incoming;
    let mut tx = db.write().await?;
    // As it is now: it may have been changed, or have gone, since it was found.
    let Some(connection) = db::connections::get(&mut tx, connection.id).await? else { return Ok(Heard::Nothing) };
    if !db::deliveries_in::insert(&mut tx, connection.id, id, told, now).await? {
        return Ok(Heard::Again);
    }
    // The GitHub App acts for a repository whose name was proved: nobody but GitHub may give it another.
    let (connection, name) = match signer {
        Signer::Connection if connection.is_proved => (connection, Name::Known),
        _ => follow(&mut tx, connection, repository, now).await?,
    };
    let heard = match act(&mut tx, &connection, told, rights, now).await? {
        Heard::Nothing if name == Name::New => Heard::Renamed,
        heard => heard,
    };
    db::deliveries_in::set_outcome(&mut tx, connection.id, id, heard.words()).await?;
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
    let commit = match db::triggers::order_of(tx, connection.id, push).await? {
        PushOrder::Next => Some(push.after.clone()),
        PushOrder::Overtaken => return Ok(Heard::Overtaken),
        // The forge is asked where the branch stands: whatever the order, what is deployed last is the newest.
        PushOrder::Unclear => None,
    };
    let new = NewTrigger {
        id: TriggerId::new(),
        connection: connection.id,
        app,
        by: connection.by,
        cause: Cause::Push,
        branch: push.branch.clone(),
        commit,
        before: push.before.clone(),
        pushed_at: push.pushed_at,
        state: if connection.wait_for_ci { TriggerState::WaitingForCi } else { TriggerState::Ready },
        at: now,
    };
    db::triggers::insert(tx, &new).await?;
    Ok(Heard::Deploys)
}
