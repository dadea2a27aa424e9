//! Attaching add-ons to apps, and detaching them: the names that attachments may have, and the releases that they cause.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use super::addons::{AddonError, Cause, Runs, append, append_with};
use super::config::base_config;
use crate::db::{self, Connection, Db, DbError};
use crate::model::{
    AccountId, Addon, AddonState, App, AppId, Attachment, AttachmentId, AttachmentName, ConfigKey, Invalid, Release,
};

/// Who wants an attachment, to which app and under which name.
#[derive(Debug, Clone)]
pub struct NewAttachment {
    pub app: App,
    pub by: AccountId,
    /// One is found if none is given.
    pub name: Option<AttachmentName>,
    /// Whether an attachment of this name may be replaced.
    pub taken: Taken,
    pub at: OffsetDateTime,
}

/// What to do about a name that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    Refuse,
    /// The user has confirmed it.
    Replace,
}

/// Attaches an add-on to an app.
pub async fn attach(db: &Db, addon: &Addon, new: &NewAttachment) -> Result<(Attachment, Release), AddonError> {
    let mut tx = db.write().await?;
    let state = db::addons::get(&mut tx, addon.id).await?.map(|addon| addon.state);
    if state != Some(AddonState::Provisioned) {
        return Err(Invalid(format!("{} is not there yet, or not any more.", addon.name)).into());
    }
    let attachment = new_attachment(&mut tx, db, new, addon).await?;
    match attached_as(&mut tx, &new.app, &attachment.name).await? {
        Some(old) if new.taken == Taken::Refuse => {
            let app = &new.app.name;
            return Err(AddonError::Confirm(format!("{} is attached to {app} already; this replaces it.", old.name)));
        }
        Some(old) => {
            refuse_last(&mut tx, &old, &new.app).await?;
            db::addon_attachments::delete(&mut tx, old.id, new.by, new.at).await?;
        }
        None => confirm_overwriting(&mut tx, db, new, &attachment.name).await?,
    }
    db::addon_attachments::insert(&mut tx, &attachment, new.by).await?;
    let cause = Cause { app: new.app.id, by: new.by, at: new.at, runs: Runs::ReleaseCommand };
    let release = append(&mut tx, db, &cause, attach_words(&attachment, addon)).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok((attachment, release))
}

/// Takes an add-on from an app; the add-on's own app keeps one attachment at least.
pub async fn detach(
    db: &Db,
    app: &App,
    attachment: AttachmentId,
    by: AccountId,
    at: OffsetDateTime,
) -> Result<Release, AddonError> {
    let mut tx = db.write().await?;
    let found = db::addon_attachments::get(&mut tx, attachment).await?;
    let attachment = found.ok_or_else(|| Invalid("The add-on is not attached any more.".into()))?;
    refuse_last(&mut tx, &attachment, app).await?;
    let release = detach_in(&mut tx, db, &attachment, by, at).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(release)
}

pub(super) fn attach_words(attachment: &Attachment, addon: &Addon) -> String {
    format!("Attach {} (@ref:{})", attachment.name, addon.name)
}

pub(super) async fn new_attachment(
    tx: &mut Connection,
    db: &Db,
    new: &NewAttachment,
    addon: &Addon,
) -> Result<Attachment, AddonError> {
    let name = match &new.name {
        Some(name) => name.clone(),
        None => AttachmentName::free(addon.plan.0, &taken_vars(tx, db, new.app.id).await?)?,
    };
    let (id, app) = (AttachmentId::new(), new.app.id);
    Ok(Attachment { id, name, app, addon: addon.id, created_at: new.at, updated_at: new.at })
}

/// The config vars that there are, or soon will be.
async fn taken_vars(tx: &mut Connection, db: &Db, app: AppId) -> Result<BTreeSet<ConfigKey>, DbError> {
    let set = base_config(tx, db, app).await?;
    let owned = db::addon_attachments::config_vars(tx, app).await?;
    Ok(set.0.into_keys().chain(owned).collect())
}

pub(super) async fn attached_as(tx: &mut Connection, app: &App, name: &AttachmentName) -> Result<Option<Attachment>, DbError> {
    Ok(db::addon_attachments::of_app(tx, app.id).await?.into_iter().find(|attachment| attachment.name == *name))
}

/// Asks before an attachment takes over a config var that somebody has set.
pub(super) async fn confirm_overwriting(
    tx: &mut Connection,
    db: &Db,
    new: &NewAttachment,
    name: &AttachmentName,
) -> Result<(), AddonError> {
    let var = name.config_var();
    if new.taken == Taken::Refuse && base_config(tx, db, new.app.id).await?.0.contains_key(&var) {
        return Err(AddonError::Confirm(format!("{var} is set on {} already; this overwrites it.", new.app.name)));
    }
    Ok(())
}

/// Refuses to take the last attachment from the app that the add-on was made for: nobody would see it any more.
async fn refuse_last(tx: &mut Connection, attachment: &Attachment, app: &App) -> Result<(), AddonError> {
    let Some(addon) = db::addons::get(tx, attachment.addon).await?.filter(|addon| addon.app == app.id) else { return Ok(()) };
    let all = db::addon_attachments::of_addon(tx, addon.id).await?;
    if all.iter().any(|other| other.app == app.id && other.id != attachment.id) {
        return Ok(());
    }
    // Heroku's own sentence, and what to do.
    Err(Invalid(format!(
        "Cannot destroy last attachment to billing app for resource {0}. To destroy it with all its data, run addons:destroy {0}.",
        addon.name
    ))
    .into())
}

pub(super) async fn detach_in(
    tx: &mut Connection,
    db: &Db,
    attachment: &Attachment,
    by: AccountId,
    at: OffsetDateTime,
) -> Result<Release, DbError> {
    let addon = db::addons::get(tx, attachment.addon).await?;
    let name = addon.map(|addon| addon.name.to_string()).unwrap_or_default();
    db::addon_attachments::delete(tx, attachment.id, by, at).await?;
    let cause = Cause { app: attachment.app, by, at, runs: Runs::ReleaseCommand };
    let mut config = base_config(tx, db, attachment.app).await?;
    config.0.remove(&attachment.name.config_var());
    append_with(tx, db, &cause, format!("Detach {} (@ref:{name})", attachment.name), config).await
}
