//! Apps: create, rename, destroy; their collaborators and buildpacks. Each change is one transaction.

mod names;

use time::OffsetDateTime;

use crate::db::{self, Cipher, Connection, Db, DbError};
use crate::model::{
    Account, AccountId, App, AppId, AppName, BuildpackRef, ConfigVars, Invalid, Permissions, ReleaseStatus, SourceRoot, StackName,
};

/// How many apps may follow one: each is a build of every push.
const MOST_FOLLOWERS: usize = 50;

/// Why an app could not be created or renamed, or follow another.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Creates an app owned by `owner`, with its first release, v1. Without a name it gets a random one.
pub async fn create(
    db: &Db,
    owner: &Account,
    name: Option<AppName>,
    stack: &StackName,
    now: OffsetDateTime,
) -> Result<App, AppError> {
    let app = new_app(owner, name, stack, now);
    let mut tx = db.write().await?;
    insert(&mut tx, db.cipher(), &app).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(app)
}

/// An app that is not recorded yet.
#[must_use]
pub fn new_app(owner: &Account, name: Option<AppName>, stack: &StackName, now: OffsetDateTime) -> App {
    let name = name.unwrap_or_else(names::random);
    App { id: AppId::new(), name, owner: owner.id, stack: stack.clone(), created_at: now, updated_at: now }
}

/// Records a new app with its first release, in a transaction that may record more.
pub async fn insert(connection: &mut Connection, cipher: &Cipher, app: &App) -> Result<(), AppError> {
    db::apps::insert(connection, app).await.map_err(|error| taken(&app.name, error))?;
    let first = db::releases::NewRelease {
        app: app.id,
        description: "Initial release".into(),
        by: app.owner,
        artifact: None,
        build: None,
        commit: None,
        config: ConfigVars::default(),
        status: ReleaseStatus::Succeeded,
        at: app.created_at,
    };
    db::releases::append(connection, cipher, first).await?;
    Ok(())
}

/// Gives an app another name.
pub async fn rename(db: &Db, app: &App, name: AppName, by: AccountId, now: OffsetDateTime) -> Result<App, AppError> {
    let mut tx = db.write().await?;
    db::apps::rename(&mut tx, app.id, &name, by, now).await.map_err(|error| taken(&name, error))?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(App { name, updated_at: now, ..app.clone() })
}

/// Sets the stack of the app's next build. What earlier builds have cached was made for another one, so it goes.
pub async fn set_stack(db: &Db, app: &App, stack: StackName, by: AccountId, now: OffsetDateTime) -> Result<App, DbError> {
    if stack == app.stack {
        return Ok(app.clone());
    }
    let mut tx = db.write().await?;
    db::apps::set_stack(&mut tx, app.id, &stack, by, now).await?;
    db::apps::set_cache(&mut tx, app.id, None).await?;
    tx.commit().await?;
    Ok(App { stack, updated_at: now, ..app.clone() })
}

/// Sets the folder of the source that the app is built from; `None` for all of it. The cache stays: packs know what they have put
/// there.
pub async fn set_root(db: &Db, app: &App, root: Option<&SourceRoot>, by: AccountId, now: OffsetDateTime) -> Result<App, DbError> {
    let mut tx = db.write().await?;
    db::apps::set_root(&mut tx, app.id, root, by, now).await?;
    tx.commit().await?;
    Ok(App { updated_at: now, ..app.clone() })
}

/// Says whether the app's slug is released again when a push has changed nothing of what it is made of.
pub async fn set_skips_unchanged(db: &Db, app: &App, skips: bool, by: AccountId, now: OffsetDateTime) -> Result<App, DbError> {
    let mut tx = db.write().await?;
    db::apps::set_skips_unchanged(&mut tx, app.id, skips, by, now).await?;
    tx.commit().await?;
    Ok(App { updated_at: now, ..app.clone() })
}

/// Has the app deployed with the pushes to another one; `None` for none but its own. What follows can't be followed, so that one push
/// has so many builds at most, and no circle.
pub async fn set_followed(
    db: &Db,
    app: &App,
    followed: Option<&App>,
    by: AccountId,
    now: OffsetDateTime,
) -> Result<App, AppError> {
    let mut tx = db.write().await?;
    if let Some(followed) = followed {
        check_followed(&mut tx, app, followed).await?;
    }
    db::apps::set_followed(&mut tx, app.id, followed.map(|followed| followed.id), by, now).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(App { updated_at: now, ..app.clone() })
}

async fn check_followed(db: &mut Connection, app: &App, followed: &App) -> Result<(), AppError> {
    let refused = |why: String| -> Result<(), AppError> { Err(Invalid(why).into()) };
    if app.id == followed.id {
        return refused(format!("{} can't follow itself.", app.name));
    }
    if let Some(other) = db::apps::followed(db, followed.id).await? {
        let other = db::apps::get(db, other).await?.name;
        return refused(format!("{} follows {other}, so it can't be followed. Follow {other} instead.", followed.name));
    }
    if db::apps::count_followers(db, app.id).await? > 0 {
        return refused(format!(
            "Other apps follow {}, so it can't follow one. Let them follow {} instead.",
            app.name, followed.name
        ));
    }
    if db::apps::count_followers(db, followed.id).await? >= MOST_FOLLOWERS {
        return refused(format!("{MOST_FOLLOWERS} apps follow {} already, and no more may.", followed.name));
    }
    Ok(())
}

/// Lets an account work on an app; without permissions it gets [`Permissions::default`].
///
/// Adding somebody twice changes nothing, because a client whose connection broke says it again. To say something else
/// the second time is refused: that is [`set_permissions`].
pub async fn add_collaborator(
    db: &Db,
    app: &App,
    account: &Account,
    permissions: Option<Permissions>,
    by: AccountId,
    now: OffsetDateTime,
) -> Result<(), AppError> {
    let mut tx = db.write().await?;
    let wanted = permissions.clone().unwrap_or_default();
    let is_new = db::collaborators::insert(&mut tx, app.id, account.id, &wanted, by, now).await?;
    if !is_new && permissions.is_some() && permissions != db::collaborators::permissions(&mut tx, app.id, account.id).await? {
        let text = format!("{} is a collaborator of {} already. Update the permissions instead.", account.email, app.name);
        return Err(Invalid(text).into());
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}

/// Replaces what a collaborator may do, and tells whether the account is one.
pub async fn set_permissions(
    db: &Db,
    app: &App,
    account: AccountId,
    permissions: &Permissions,
    by: AccountId,
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    let mut tx = db.write().await?;
    let done = db::collaborators::set_permissions(&mut tx, app.id, account, permissions, by, now).await?;
    tx.commit().await?;
    Ok(done)
}

/// Takes an app from an account again.
pub async fn remove_collaborator(
    db: &Db,
    app: &App,
    account: AccountId,
    by: AccountId,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    let mut tx = db.write().await?;
    db::collaborators::delete(&mut tx, app.id, account, by, now).await?;
    tx.commit().await?;
    Ok(())
}

/// Sets the buildpacks of the app's next build, in order; none means detection.
pub async fn set_buildpacks(db: &Db, app: &App, buildpacks: &[BuildpackRef]) -> Result<(), DbError> {
    let mut tx = db.write().await?;
    db::buildpacks::replace(&mut tx, app.id, buildpacks).await?;
    tx.commit().await?;
    Ok(())
}

fn taken(name: &AppName, error: DbError) -> AppError {
    if error.is_taken() { Invalid(format!("Name {name} is already taken")).into() } else { error.into() }
}
