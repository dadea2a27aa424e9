//! Add-ons as causes of releases: what was made, removed, or changed by its provider.
//!
//! Each function is one transaction, or a part of one, and none of them reaches a server: what is left to do there is in the
//! add-on's row, and [`crate::deploy`] does it. The snapshot of what is attached, and the values of the config vars that
//! attachments own, are written by [`crate::db::releases::append`].

use time::OffsetDateTime;

use super::attachments::{NewAttachment, attach_words, attached_as, confirm_overwriting, detach_in, new_attachment};
use super::config::base_config;
use super::phase::first_status;
use crate::db::releases::NewRelease;
use crate::db::{self, Connection, Db, DbError};
use crate::model::{
    AccountId, Addon, AddonId, AddonName, AddonState, AppId, Attachment, ConfigVars, Invalid, Release, ReleaseStatus, Secret,
};

/// Why an add-on or an attachment was not changed. Nothing was recorded then.
#[derive(Debug, thiserror::Error)]
pub enum AddonError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// It would take something away. Asked again with the app's name as confirmation, it is done.
    #[error("{0}")]
    Confirm(String),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Records an add-on that is about to be made, with the attachment that it will have. The app's config is as before.
pub async fn announce_addon(db: &Db, addon: &Addon, url: &Secret, new: &NewAttachment) -> Result<Attachment, AddonError> {
    let mut tx = db.write().await?;
    if db::apps::by_id(&mut tx, new.app.id).await?.is_none() {
        return Err(Invalid(format!("{} was destroyed.", new.app.name)).into());
    }
    let attachment = new_attachment(&mut tx, db, new, addon).await?;
    if attached_as(&mut tx, &new.app, &attachment.name).await?.is_some() {
        let taken = format!("{} is attached to {} already. Give the new one another name.", attachment.name, new.app.name);
        return Err(Invalid(taken).into());
    }
    confirm_overwriting(&mut tx, db, new, &attachment.name).await?;
    db::addons::insert(&mut tx, db.cipher(), addon, new.by, url).await.map_err(|error| taken(&addon.name, error))?;
    db::addon_attachments::insert(&mut tx, &attachment, new.by).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(attachment)
}

/// Releases an add-on that was made: `Attach DATABASE (@ref:…)`, and its config var in a release of its own, as Heroku does.
pub async fn complete_addon(db: &Db, addon: &Addon, by: AccountId, at: OffsetDateTime) -> Result<Vec<Release>, DbError> {
    let mut tx = db.write().await?;
    let attachments = db::addon_attachments::of_addon(&mut tx, addon.id).await?;
    let mut releases = Vec::new();
    for attachment in &attachments {
        // Before the state changes: what is current while the release command runs does not know the add-on yet.
        let cause = Cause { app: attachment.app, by, at, runs: Runs::Nothing };
        releases.push(append(&mut tx, db, &cause, attach_words(attachment, addon)).await?);
    }
    db::addons::set_state(&mut tx, addon.id, AddonState::Provisioned, by, at).await?;
    for attachment in &attachments {
        let cause = Cause { app: attachment.app, by, at, runs: Runs::ReleaseCommand };
        let setting = format!("@ref:{} completed provisioning, setting {}.", addon.name, attachment.name.config_var());
        releases.push(append(&mut tx, db, &cause, setting).await?);
    }
    tx.commit().await?;
    Ok(releases)
}

/// Gives up an add-on that could not be made: what there may be of it on its server is to be removed.
pub async fn abandon_addon(db: &Db, id: AddonId, by: AccountId, at: OffsetDateTime) -> Result<(), DbError> {
    let mut tx = db.write().await?;
    for attachment in db::addon_attachments::of_addon(&mut tx, id).await? {
        db::addon_attachments::delete(&mut tx, attachment.id, by, at).await?;
    }
    db::addons::set_state(&mut tx, id, AddonState::Deprovisioning, by, at).await?;
    Ok(tx.commit().await?)
}

/// Forgets an add-on of which nothing is left on its server.
pub async fn forget_addon(db: &Db, id: AddonId) -> Result<(), DbError> {
    let mut tx = db.write().await?;
    db::addons::delete(&mut tx, id).await?;
    Ok(tx.commit().await?)
}

/// Takes an add-on from every app; it is to be removed from its server.
pub async fn destroy_addon(db: &Db, addon: &Addon, by: AccountId, at: OffsetDateTime) -> Result<Vec<Release>, DbError> {
    let mut tx = db.write().await?;
    let mut releases = Vec::new();
    for attachment in db::addon_attachments::of_addon(&mut tx, addon.id).await? {
        if addon.state == AddonState::Provisioned {
            releases.push(detach_in(&mut tx, db, &attachment, by, at).await?);
        } else {
            db::addon_attachments::delete(&mut tx, attachment.id, by, at).await?;
        }
    }
    db::addons::set_state(&mut tx, addon.id, AddonState::Deprovisioning, by, at).await?;
    tx.commit().await?;
    Ok(releases)
}

/// Takes an app's add-ons from every other app, and others' add-ons from it, as a part of destroying the app. Its own ledger
/// ends here.
pub async fn leave_addons(
    tx: &mut Connection,
    db: &Db,
    app: AppId,
    by: AccountId,
    at: OffsetDateTime,
) -> Result<Vec<Release>, DbError> {
    let mut releases = Vec::new();
    for addon in db::addons::of_app(tx, app).await? {
        for attachment in db::addon_attachments::of_addon(tx, addon.id).await? {
            if attachment.app == app {
                db::addon_attachments::delete(tx, attachment.id, by, at).await?;
            } else {
                releases.push(detach_in(tx, db, &attachment, by, at).await?);
            }
        }
        db::addons::set_state(tx, addon.id, AddonState::Deprovisioning, by, at).await?;
    }
    for attachment in db::addon_attachments::of_app(tx, app).await? {
        db::addon_attachments::delete(tx, attachment.id, by, at).await?;
    }
    Ok(releases)
}

/// Records that an add-on is about to get this address, with another password. Refused where a release that is not
/// current would be the one to tell it: what runs would be locked out.
pub async fn announce_rotation(db: &Db, addon: &Addon, by: AccountId, next: &Secret) -> Result<(), AddonError> {
    let mut tx = db.write().await?;
    for attachment in db::addon_attachments::of_addon(&mut tx, addon.id).await? {
        if let Some(base) = db::releases::base(&mut tx, attachment.app).await?.filter(|base| !base.current) {
            let app = db::apps::by_id(&mut tx, attachment.app).await?.map(|app| app.name.to_string()).unwrap_or_default();
            return Err(Invalid(format!(
                "{} of {app} has not become current, so that what runs would not learn the new password. Deploy or roll back \
                 there first.",
                base.version
            ))
            .into());
        }
    }
    db::addons::set_next_url(&mut tx, db.cipher(), addon.id, by, next).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}

/// Releases the new password of an add-on wherever it is attached: `Update DATABASE by hoist-postgresql`. No release command
/// is run, as at Heroku: it is the same code.
pub async fn complete_rotation(db: &Db, addon: &Addon, by: AccountId, at: OffsetDateTime) -> Result<Vec<Release>, DbError> {
    let mut tx = db.write().await?;
    db::addons::replace_url(&mut tx, addon.id, at).await?;
    let mut releases = Vec::new();
    for attachment in db::addon_attachments::of_addon(&mut tx, addon.id).await? {
        let cause = Cause { app: attachment.app, by, at, runs: Runs::Nothing };
        let words = format!("Update {} by {}", attachment.name, addon.plan.0.as_str());
        releases.push(append(&mut tx, db, &cause, words).await?);
    }
    tx.commit().await?;
    Ok(releases)
}

/// Gives an add-on another name. What was released keeps the old one.
pub async fn rename_addon(
    db: &Db,
    addon: Addon,
    name: AddonName,
    by: AccountId,
    at: OffsetDateTime,
) -> Result<Addon, AddonError> {
    let mut tx = db.write().await?;
    db::addons::rename(&mut tx, addon.id, &name, by, at).await.map_err(|error| taken(&name, error))?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(Addon { name, updated_at: at, ..addon })
}

/// Who makes a release of which app, and what is run for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cause {
    pub(super) app: AppId,
    pub(super) by: AccountId,
    pub(super) at: OffsetDateTime,
    pub(super) runs: Runs,
}

/// What is run before the release becomes current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runs {
    /// The release command, if there is one.
    ReleaseCommand,
    /// Nothing, if what it builds upon is current: it is the same code.
    Nothing,
}

/// Appends a release of the code and the config that are there.
pub(super) async fn append(tx: &mut Connection, db: &Db, cause: &Cause, description: String) -> Result<Release, DbError> {
    let config = base_config(tx, db, cause.app).await?;
    append_with(tx, db, cause, description, config).await
}

pub(super) async fn append_with(
    tx: &mut Connection,
    db: &Db,
    cause: &Cause,
    description: String,
    config: ConfigVars,
) -> Result<Release, DbError> {
    let base = db::releases::base(tx, cause.app).await?;
    let artifact = base.as_ref().and_then(Release::artifact);
    let status = match (cause.runs, &base) {
        (Runs::Nothing, Some(base)) if base.current => ReleaseStatus::Succeeded,
        _ => first_status(tx, artifact).await?,
    };
    let new = NewRelease {
        app: cause.app,
        description,
        by: cause.by,
        artifact,
        build: base.as_ref().and_then(|base| base.build),
        commit: base.and_then(|base| base.commit),
        config,
        status,
        at: cause.at,
    };
    db::releases::append(tx, db.cipher(), new).await
}

fn taken(name: &AddonName, error: DbError) -> AddonError {
    if error.is_taken() { Invalid(format!("Name {name} is already taken")).into() } else { error.into() }
}
