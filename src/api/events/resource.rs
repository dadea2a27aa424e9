//! The resource that an event is about, as it was then: from what the event has kept, and from rows that never change.

use serde_json::Value;

use crate::api::error::ApiError;
use crate::api::types::{self, Timestamp};
use crate::api::urls::Urls;
use crate::api::{addon_attachments, addons, apps, builds, collaborators, dynos, formation, releases};
use crate::db::app_details::{AppDetails, SlugDetails};
use crate::db::{self, Connection, DbError};
use crate::model::{
    AccountId, App, AppFacts, Artifact, BuildId, BuildStatus, Change, DynoId, Event, Facts, Permissions, ReleaseId, ReleaseStatus,
};

/// A resource as it was, and what its log has to say besides.
pub(in crate::api) enum Resource {
    App(Box<types::App>),
    Build(types::Build),
    Collaborator(types::Collaborator),
    /// With the reason why hoist ended it.
    Dyno(types::Dyno, Option<String>),
    Formation(types::Formation),
    /// With the reason why it failed or expired.
    Release(types::Release, Option<String>),
    Addon(types::Addon),
    AddonAttachment(types::AddonAttachment),
}

impl Resource {
    /// The JSON that webhooks get.
    pub(super) fn into_json(self) -> serde_json::Result<Value> {
        match self {
            Self::App(app) => serde_json::to_value(app),
            Self::Build(build) => serde_json::to_value(build),
            Self::Collaborator(collaborator) => serde_json::to_value(collaborator),
            Self::Dyno(dyno, _) => serde_json::to_value(dyno),
            Self::Formation(formation) => serde_json::to_value(formation),
            Self::Release(release, _) => serde_json::to_value(release),
            Self::Addon(addon) => serde_json::to_value(addon),
            Self::AddonAttachment(attachment) => serde_json::to_value(attachment),
        }
    }
}

/// Reads what an event is about.
pub(in crate::api) async fn resource(db: &mut Connection, urls: &Urls, event: &Event) -> Result<Resource, ApiError> {
    let app = App { name: event.app_name.clone(), ..db::apps::get(db, event.app).await? };
    Ok(match &event.facts {
        Facts::App(facts) => Resource::App(Box::new(app_then(db, urls, facts, &app).await?)),
        Facts::Build { id } => Resource::Build(build_then(db, urls, event, *id).await?),
        Facts::Collaborator(facts) => {
            let account = db::accounts::get(db, facts.account).await?;
            let (permissions, created_at, updated_at) = (facts.permissions.clone(), facts.created_at, facts.updated_at);
            let then = db::collaborators::Collaborator { account, permissions, created_at, updated_at };
            Resource::Collaborator(collaborators::describe(&app, &then))
        }
        Facts::Dyno { id } => dyno_then(db, &app, event, *id).await?,
        Facts::Formation(facts) => Resource::Formation(formation::describe_then(db, &app, facts, event.created_at).await?),
        Facts::Release { id, status, .. } => release_then(db, urls, &app, event, (*id, *status)).await?,
        Facts::Addon(facts) => Resource::Addon(addons::describe_then(&app, facts, event.action)),
        Facts::AddonAttachment(facts) => {
            Resource::AddonAttachment(addon_attachments::describe_then(&app, facts, event.created_at))
        }
    })
}

async fn app_then(db: &mut Connection, urls: &Urls, facts: &AppFacts, app: &App) -> Result<types::App, ApiError> {
    let then = App {
        id: app.id,
        name: facts.name.clone(),
        owner: facts.owner,
        stack: facts.stack.clone(),
        created_at: facts.created_at,
        updated_at: facts.updated_at,
    };
    let release = match facts.release {
        Some(release) => db::releases::by_id(db, app.id, release).await?,
        None => None,
    };
    let artifact = match &release {
        Some(release) => db::artifacts::of_release(db, release).await?,
        None => None,
    };
    let stack = artifact.as_ref().map(Artifact::stack);
    let slug = if let Some(Artifact::Slug(slug)) = artifact { Some(slug) } else { None };
    let owner = db::accounts::get(db, facts.owner).await?;
    let details = AppDetails {
        app: then,
        owner,
        released_at: release.map(|release| release.created_at),
        stack,
        slug: slug.map(|slug| SlugDetails { language: slug.language, bytes: slug.size_bytes }),
        repo_bytes: facts.repo_bytes,
        root: db::apps::root(db, app.id).await?,
        // Not everybody who hears of this app may know of the other.
        follows: None,
        skips_unchanged: db::apps::skips_unchanged(db, app.id).await?,
    };
    Ok(apps::describe(urls, details))
}

async fn build_then(db: &mut Connection, urls: &Urls, event: &Event, id: BuildId) -> Result<types::Build, ApiError> {
    let mut build = db::builds::get(db, event.app, id).await?.ok_or_else(|| missing("build"))?;
    let release = match event.action {
        Change::Create => {
            (build.status, build.slug, build.updated_at) = (BuildStatus::Pending, None, build.created_at);
            None
        }
        _ => db::releases::by_build(db, event.app, id).await?,
    };
    // Where its archive came from may be signed: as for somebody who may only look.
    let permissions = Permissions::from_iter([]);
    Ok(builds::describe(&build, release.as_ref(), user(db, build.by).await?, urls, &permissions))
}

async fn release_then(
    db: &mut Connection,
    urls: &Urls,
    app: &App,
    event: &Event,
    (id, status): (ReleaseId, ReleaseStatus),
) -> Result<Resource, ApiError> {
    let mut release = db::releases::by_id(db, app.id, id).await?.ok_or_else(|| missing("release"))?;
    // What succeeds is current at that moment; a newer one takes its place later.
    (release.status, release.current, release.updated_at) = (status, status == ReleaseStatus::Succeeded, event.created_at);
    let block = db::releases::block_of(db, id).await?.filter(|block| block.created_at <= event.created_at);
    release.blocked = block.map(|block| block.reason);
    let reason = match status {
        ReleaseStatus::Failed | ReleaseStatus::Expired => db::releases::reason(db, id).await?,
        ReleaseStatus::Pending | ReleaseStatus::Succeeded => None,
    };
    Ok(Resource::Release(releases::describe(urls, app, &release, user(db, release.by).await?), reason))
}

async fn dyno_then(db: &mut Connection, app: &App, event: &Event, id: DynoId) -> Result<Resource, ApiError> {
    let dyno = db::dynos::find(db, app.id, &id.to_string()).await?.ok_or_else(|| missing("dyno"))?;
    let release = db::releases::by_id(db, app.id, dyno.release).await?.ok_or_else(|| missing("release"))?;
    let end = dyno.end.clone().filter(|_| event.action == Change::Destroy);
    let mut shape = dynos::describe_recorded(app, dyno, &release);
    shape.exit_status = end.as_ref().and_then(|end| end.exit_status);
    shape.state = match event.action {
        Change::Create => "starting".into(),
        Change::Update => "up".into(),
        Change::Destroy => shape.state,
    };
    shape.updated_at = Timestamp(event.created_at);
    Ok(Resource::Dyno(shape, end.filter(|end| end.exit_status.is_none()).and_then(|end| end.reason)))
}

async fn user(db: &mut Connection, id: AccountId) -> Result<types::UserRef, ApiError> {
    Ok((&db::accounts::get(db, id).await?).into())
}

/// An event names what nobody can have removed.
fn missing(what: &'static str) -> ApiError {
    DbError::Corrupt { what: "event", why: format!("its {what} is missing") }.into()
}
