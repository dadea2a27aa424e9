//! What an account may do in an app.

use std::fmt;

use crate::db::{self, Connection, Db, DbError};
use crate::model::{AccountId, Action, App, AppName, Email, Permission, Permissions};

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
