//! What an account may do in an app.

use std::fmt;

use crate::db::{self, Connection, Db, DbError};
use crate::model::{AccountId, Action, App, AppName, Email, Permission, Permissions, Pipeline, Stage};

/// Why an account can't do something in an app.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// No such app, or one that the account has no part in: the two must not be told apart (design section 8).
    #[error("there is no such app")]
    NoSuchApp,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Which permission is missing, in words for the account. Both doors say them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Denied {
    app: AppName,
    owner: Email,
    has: Permissions,
    action: Action,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: Vec<&str>, word: &str| names.join(&format!(" {word} "));
        let missing = list(self.action.needs().iter().map(|permission| permission.as_str()).collect(), "or");
        let has = list(self.has.iter().map(Permission::as_str).collect(), "and");
        write!(
            f,
            "You need the {missing} permission in {} for this; you have {has}. Its owner {} can give it to you, and so can \
             everybody who has the manage permission: hoist access:update",
            self.app, self.owner
        )
    }
}

/// Finds an app, by name or id, together with the account's permissions in it. `None` both for an app that does not
/// exist and for one that the account has no part in.
pub async fn find_app(db: &Db, account: AccountId, name_or_id: &str) -> Result<Option<(App, Permissions)>, DbError> {
    let mut db = db.read().await?;
    let app = match (name_or_id.parse(), name_or_id.parse::<AppName>()) {
        (Ok(id), _) => db::apps::by_id(&mut db, id).await?,
        (_, Ok(name)) => db::apps::by_name(&mut db, &name).await?,
        _ => None,
    };
    let Some(app) = app else { return Ok(None) };
    Ok(permissions(&mut db, account, &app).await?.map(|permissions| (app, permissions)))
}

/// Finds an app in which the account may do something.
pub async fn open_app(db: &Db, account: AccountId, name_or_id: &str, action: Action) -> Result<(App, Permissions), AccessError> {
    let (app, permissions) = find_app(db, account, name_or_id).await?.ok_or(AccessError::NoSuchApp)?;
    check(db, &app, &permissions, action).await?;
    Ok((app, permissions))
}

/// Tells whether the account may do something with what a pipeline's apps have in common: its tests, its review apps, their
/// config vars, its repository. Its owner may do everything; others what they may do in an app of that owner's, because that
/// is whose code is run, and whose secrets it may have. An app of somebody else's does not count: who sees a pipeline can put
/// one of their own into it. Nor does a review app: whoever asks for one becomes its collaborator, and would remain so.
pub async fn may_in_pipeline(db: &Db, account: AccountId, pipeline: &Pipeline, action: Action) -> Result<bool, DbError> {
    if pipeline.owner == account {
        return Ok(true);
    }
    let mut db = db.read().await?;
    for coupling in db::pipeline_couplings::of_pipeline(&mut db, pipeline.id).await? {
        if coupling.stage == Stage::Review {
            continue;
        }
        let Some(app) = db::apps::by_id(&mut db, coupling.app).await?.filter(|app| app.owner == pipeline.owner) else { continue };
        if permissions(&mut db, account, &app).await?.is_some_and(|permissions| permissions.allow(action)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Refuses an action that the permissions do not allow.
pub async fn check(db: &Db, app: &App, permissions: &Permissions, action: Action) -> Result<(), AccessError> {
    if permissions.allow(action) {
        return Ok(());
    }
    let owner = db::accounts::get(&mut *db.read().await?, app.owner).await?.email;
    Err(Denied { app: app.name.clone(), owner, has: permissions.clone(), action }.into())
}

async fn permissions(db: &mut Connection, account: AccountId, app: &App) -> Result<Option<Permissions>, DbError> {
    if app.owner == account {
        return Ok(Some(Permissions::all()));
    }
    db::collaborators::permissions(db, app.id, account).await
}
