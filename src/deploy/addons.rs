//! Add-ons, from being asked for to being released, and back.
//!
//! Every change is recorded first, then carried out on the server, then released; a task that no connection owns does it.
//! Changes have their turns (`Addons::turn`), so that what somebody with the turn finds unsettled was cut off, by a crash or
//! by a server that was away: [`settle`] carries it out again.

use std::collections::BTreeSet;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::task::JoinError;
use tokio::time::interval;

use super::phase::begin_phase;
use crate::addons::{self, ProviderError};
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::model::{AccountId, Addon, AddonId, AddonName, AddonState, App, AttachmentName, Invalid, Plan, Release, Secret};
use crate::release::{self, AddonError, NewAttachment, Taken};

/// How often what was cut off is tried again.
const SETTLE_INTERVAL: Duration = Duration::from_mins(1);

/// An add-on that somebody wants.
#[derive(Debug, Clone)]
pub struct NewAddon {
    pub app: App,
    pub by: AccountId,
    pub plan: Plan,
    /// A random one if none is given.
    pub name: Option<AddonName>,
    /// One is found if none is given.
    pub attachment: Option<AttachmentName>,
    /// Whether a config var of the attachment's name may be overwritten.
    pub taken: Taken,
}

/// Why an add-on was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AddonFailure {
    #[error(transparent)]
    Refused(#[from] AddonError),
    /// Nothing of it is left, or what is left will be removed.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("hoist is being stopped")]
    Stopped,
    #[error("the change ended without a result")]
    Lost(#[source] JoinError),
}

/// Makes an add-on and releases it.
pub async fn create_addon(ctx: &Ctx, new: NewAddon) -> Result<Addon, AddonFailure> {
    in_task(ctx, async move |ctx: Ctx| create(&ctx, new).await).await
}

/// Takes an add-on from every app and removes it with its data. It is gone when this returns; if its server is away, what
/// is left there is removed later.
pub async fn destroy_addon(ctx: &Ctx, addon: Addon, by: AccountId) -> Result<(), AddonFailure> {
    in_task(ctx, async move |ctx: Ctx| {
        let _turn = ctx.addons.turn().await?;
        let Some(addon) = db::addons::get(&mut *ctx.db.read().await?, addon.id).await? else { return Ok(()) };
        begin_phases(&ctx, &release::destroy_addon(&ctx.db, &addon, by, ctx.now()).await?);
        // What is left there is removed later.
        remove_or_say(&ctx, &addon).await.ok();
        Ok(())
    })
    .await
}

/// Gives an add-on a new password, and releases that wherever it is attached.
pub async fn rotate_addon(ctx: &Ctx, addon: Addon, by: AccountId) -> Result<(), AddonFailure> {
    in_task(ctx, async move |ctx: Ctx| {
        let _turn = ctx.addons.turn().await?;
        offered(&ctx, addon.plan)?;
        let now = db::addons::get(&mut *ctx.db.read().await?, addon.id).await?;
        if now.is_none_or(|now| now.state != AddonState::Provisioned) {
            return Err(AddonError::from(Invalid(format!("{} is not there yet, or not any more.", addon.name))).into());
        }
        let url = db::addons::url(&mut *ctx.db.read().await?, ctx.db.cipher(), addon.id).await?;
        let next = addons::renewed(&url);
        release::announce_rotation(&ctx.db, &addon, by, &next).await?;
        rotate(&ctx, &addon, by, &next).await
    })
    .await
}

/// Destroys an app with its add-ons. Who else has attached them loses them.
pub async fn destroy_app(ctx: &Ctx, app: App, by: AccountId) -> Result<(), AddonFailure> {
    in_task(ctx, async move |ctx: Ctx| {
        // An app without add-ons waits for nobody: not even for a server that does not answer.
        let has_none = db::addons::of_app(&mut *ctx.db.read().await?, app.id).await?.is_empty();
        let turn = if has_none { None } else { Some(ctx.addons.turn().await?) };
        let at = ctx.now();
        let mut tx = ctx.db.write().await?;
        let addons = db::addons::of_app(&mut tx, app.id).await?;
        if turn.is_none() && !addons.is_empty() {
            // One was asked for since, by somebody who has the turn now.
            return Err(ProviderError::Busy.into());
        }
        let releases = release::leave_addons(&mut tx, &ctx.db, app.id, by, at).await?;
        db::apps::destroy(&mut tx, app.id, by, at).await?;
        tx.commit().await.map_err(DbError::from)?;
        begin_phases(&ctx, &releases);
        ctx.source_folders.forget(app.id).await;
        for addon in &addons {
            if remove_or_say(&ctx, addon).await.is_err() {
                // A server that is away is not waited for once more.
                break;
            }
        }
        Ok(())
    })
    .await
}

/// Carries out what was cut off, each thing once; what fails again stays for the next time.
pub async fn settle(ctx: &Ctx) -> Result<(), AddonFailure> {
    let mut tried = BTreeSet::new();
    loop {
        let _turn = ctx.addons.turn().await?;
        let unsettled = db::addons::unsettled(&mut *ctx.db.read().await?).await?;
        let Some((addon, by)) = unsettled.into_iter().find(|(addon, _)| !tried.contains(&addon.id)) else { return Ok(()) };
        tried.insert(addon.id);
        if let Err(error) = settle_one(ctx, &addon, by).await {
            say(&addon, addon.state.as_str(), &error);
        }
    }
}

/// Settles at once, and again and again, until hoist stops.
pub(super) fn keep_settling(ctx: &Ctx) {
    let task = ctx.clone();
    ctx.tasks.spawn(async move {
        let mut tick = interval(SETTLE_INTERVAL);
        while task.stopping.run_until_cancelled(tick.tick()).await.is_some() {
            if let Err(error) = settle(&task).await {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "add-ons that were cut off can't be looked after");
            }
        }
    });
}

/// Lets nobody's connection own a change that has begun.
async fn in_task<T: Send + 'static, F>(ctx: &Ctx, change: impl FnOnce(Ctx) -> F) -> Result<T, AddonFailure>
where
    F: Future<Output = Result<T, AddonFailure>> + Send + 'static,
{
    if ctx.stopping.is_cancelled() {
        return Err(AddonFailure::Stopped);
    }
    ctx.tasks.spawn(change(ctx.clone())).await.unwrap_or_else(|error| Err(AddonFailure::Lost(error)))
}

async fn create(ctx: &Ctx, new: NewAddon) -> Result<Addon, AddonFailure> {
    offered(ctx, new.plan)?;
    let _turn = ctx.addons.turn().await?;
    let at = ctx.now();
    let name = new.name.unwrap_or_else(|| addons::addon_name(new.plan.0));
    let (id, state) = (AddonId::new(), AddonState::Provisioning);
    let addon = Addon { id, name, app: new.app.id, plan: new.plan, state, slot: None, created_at: at, updated_at: at };
    let slots = db::addons::slots(&mut *ctx.db.read().await?).await?;
    let found = ctx.addons.find_place(&addon, &slots).await;
    let place = found.inspect_err(|error| say(&addon, "finding a place for", error))?;
    let addon = Addon { slot: place.slot, ..addon };
    let attachment = NewAttachment { app: new.app, by: new.by, name: new.attachment, taken: new.taken, at };
    release::announce_addon(&ctx.db, &addon, &place.url, &attachment).await?;
    if let Err(error) = ctx.addons.provision(&addon, &place.url).await {
        say(&addon, "provisioning", &error);
        release::abandon_addon(&ctx.db, addon.id, new.by, ctx.now()).await?;
        // What is left there is removed later; now, if the server answers: the turn is not to be held for one that does not.
        if !matches!(error, ProviderError::Away { .. } | ProviderError::Slow(_)) {
            remove_or_say(ctx, &addon).await.ok();
        }
        return Err(error.into());
    }
    complete(ctx, &addon, new.by).await
}

fn offered(ctx: &Ctx, Plan(service): Plan) -> Result<(), ProviderError> {
    if ctx.addons.offers(service) { Ok(()) } else { Err(ProviderError::NotOffered(service)) }
}

async fn complete(ctx: &Ctx, addon: &Addon, by: AccountId) -> Result<Addon, AddonFailure> {
    let at: OffsetDateTime = ctx.now();
    begin_phases(ctx, &release::complete_addon(&ctx.db, addon, by, at).await?);
    Ok(Addon { state: AddonState::Provisioned, updated_at: at, ..addon.clone() })
}

async fn rotate(ctx: &Ctx, addon: &Addon, by: AccountId, next: &Secret) -> Result<(), AddonFailure> {
    // Should this fail, the server may have the new password or not: it is set again until it is known to have it.
    ctx.addons.provision(addon, next).await.inspect_err(|error| say(addon, "rotating", error))?;
    begin_phases(ctx, &release::complete_rotation(&ctx.db, addon, by, ctx.now()).await?);
    Ok(())
}

async fn settle_one(ctx: &Ctx, addon: &Addon, by: AccountId) -> Result<(), AddonFailure> {
    let (url, next) = {
        let mut db = ctx.db.read().await?;
        let url = db::addons::url(&mut db, ctx.db.cipher(), addon.id).await?;
        (url, db::addons::next_url(&mut db, ctx.db.cipher(), addon.id).await?)
    };
    match (addon.state, next) {
        (AddonState::Provisioning, _) => {
            ctx.addons.provision(addon, &url).await?;
            complete(ctx, addon, by).await.map(drop)
        }
        (AddonState::Provisioned, Some(next)) => rotate(ctx, addon, by, &next).await,
        (AddonState::Provisioned, None) => Ok(()),
        (AddonState::Deprovisioning, _) => remove(ctx, addon).await,
    }
}

async fn remove(ctx: &Ctx, addon: &Addon) -> Result<(), AddonFailure> {
    ctx.addons.deprovision(addon).await?;
    Ok(release::forget_addon(&ctx.db, addon.id).await?)
}

/// For those who need not wait for it: if it fails, the row stays, and [`settle`] tries again.
async fn remove_or_say(ctx: &Ctx, addon: &Addon) -> Result<(), AddonFailure> {
    remove(ctx, addon).await.inspect_err(|error| say(addon, "deprovisioning", error))
}

fn say(addon: &Addon, what: &str, error: &(dyn std::error::Error + 'static)) {
    tracing::error!(addon.id = %addon.id, addon.name = %addon.name, error, "{what} this add-on failed");
}

fn begin_phases(ctx: &Ctx, releases: &[Release]) {
    for release in releases {
        begin_phase(ctx, release);
    }
}
