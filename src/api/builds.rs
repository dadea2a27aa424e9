//! Builds: of archives, made here; and all of them, to be read and cancelled.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::answer::Created;
use super::buildpack_installations;
use super::error::ApiError;
use super::extract::{Body, Deploy, InApp, Named, See};
use super::range::{Page, Range};
use super::releases::users;
use super::types::{self, IdRef, NewBuild, NewBuildpack, NewSourceBlob, SourceBlob, Timestamp, UserRef};
use super::urls::Urls;
use crate::build::{ArchiveSource, Origin, Source};
use crate::config::Config;
use crate::ctx::Ctx;
use crate::db::builds::Build;
use crate::db::{self, Connection};
use crate::deploy::{self, Cancelled, Request};
use crate::model::{self, Action, App, BuildStatus, BuildpackRef, Permissions, Priority, PushOptions, Release};

/// Characters of a version's description that are kept.
const MAX_DESCRIPTION: usize = 1000;

/// `GET /apps/{app}/builds`. Builds are numbered as they are accepted, so by number is by `created_at`.
pub(super) async fn list(State(ctx): State<Ctx>, at: InApp<See>, range: Range) -> Result<Page<types::Build>, ApiError> {
    let window = range.window("number", &["created_at", "id"])?;
    let mut db = ctx.db.read().await?;
    let builds = db::builds::window(&mut db, at.app.id, window).await?;
    let page = range.page(builds, &("number", |build: &Build| build.number.to_string()), "created_at, number");
    let users = users(&mut db, page.items().iter().map(|build| build.by)).await?;
    let mut releases = Vec::new();
    for build in page.items() {
        releases.push(release_of(&mut db, build).await?);
    }
    let urls = Urls::new(&ctx);
    let mut releases = releases.into_iter();
    Ok(page.map(|build| {
        let release = releases.next().flatten();
        let described = describe(&build, release.as_ref(), users[&build.by].clone(), &urls, &at.permissions);
        with_place(&ctx, described)
    }))
}

/// `GET /apps/{app}/builds/{build}`
pub(super) async fn info(State(ctx): State<Ctx>, at: InApp<See>, Named(build): Named) -> Result<Json<types::Build>, ApiError> {
    let build = find(&ctx, &at.app, &build).await?;
    answer(&ctx, &at, &build).await
}

/// `POST /apps/{app}/builds`: builds an archive, on the same road as a push.
pub(super) async fn create(
    State(ctx): State<Ctx>,
    at: InApp<Deploy>,
    Body(new): Body<NewBuild>,
) -> Result<Created<types::Build>, ApiError> {
    let blob = source_blob(new.source_blob)?;
    let origin = origin(&ctx, &blob.url).await?;
    let mut db = ctx.db.read().await?;
    let buildpacks = match new.buildpacks.filter(|list| !list.is_empty()) {
        Some(list) => list.into_iter().map(|new| buildpack(&ctx.config, new)).collect::<Result<_, ApiError>>()?,
        None => db::buildpacks::list(&mut db, at.app.id).await?,
    };
    let cache = db::apps::cache(&mut db, at.app.id).await?;
    drop(db);
    let (app, source) = (at.app.clone(), Source::Archive(ArchiveSource { origin, blob }));
    let options = PushOptions::default();
    let request = Request {
        app,
        by: at.by.clone(),
        source,
        options,
        priority: Priority::Request,
        refs: Vec::new(),
        pack: None,
        buildpacks,
        cache,
        origin: None,
        trigger: None,
    };
    let ticket = deploy::submit(&ctx, request).await?;
    let build = find(&ctx, &at.app, &ticket.build.to_string()).await?;
    Ok(Created(answer(&ctx, &at, &build).await?.0))
}

/// `DELETE /apps/{app}/builds/{build}`: cancels it, also when it is somebody's push.
pub(super) async fn cancel(
    State(ctx): State<Ctx>,
    at: InApp<Deploy>,
    Named(build): Named,
) -> Result<Json<types::Build>, ApiError> {
    let build = find(&ctx, &at.app, &build).await?;
    match deploy::cancel(&ctx, build.id, &at.by).await {
        Cancelled::EndedBefore => Err(ApiError::InvalidParams(format!("Build {} has ended already.", build.id))),
        Cancelled::Told => answer(&ctx, &at, &find(&ctx, &at.app, &build.id.to_string()).await?).await,
    }
}

/// `DELETE /apps/{app}/build-cache`
pub(super) async fn purge_cache(State(ctx): State<Ctx>, at: InApp<Deploy>) -> Result<Json<Value>, ApiError> {
    deploy::purge_cache(&ctx, at.app.id).await?;
    Ok(Json(json!({})))
}

pub(super) fn source_blob(new: Option<NewSourceBlob>) -> Result<model::SourceBlob, ApiError> {
    let missing = || ApiError::InvalidParams("`source_blob` with the `url` of a .tar.gz is missing.".into());
    let new = new.ok_or_else(missing)?;
    let missing = || ApiError::InvalidParams("`source_blob` has no `url`.".into());
    // Clients without a version send an empty one.
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let version_description = given(new.version_description).map(|text| text.chars().take(MAX_DESCRIPTION).collect());
    Ok(model::SourceBlob {
        url: given(new.url).ok_or_else(missing)?,
        checksum: given(new.checksum).as_deref().map(str::parse).transpose()?,
        version: given(new.version).as_deref().map(str::parse).transpose()?,
        version_description,
    })
}

/// Where the archive of a URL is: in the store, if it was uploaded here.
pub(super) async fn origin(ctx: &Ctx, url: &str) -> Result<Origin, ApiError> {
    let Some(source) = Urls::new(ctx).source_in(url) else {
        let bad = |error| ApiError::InvalidParams(format!("`source_blob.url` can't be used: {error}."));
        return Ok(Origin::Url(url.parse().map_err(bad)?));
    };
    let source = db::sources::get(&mut *ctx.db.read().await?, source, ctx.now()).await?;
    let gone = || ApiError::InvalidParams("This source does not exist, or has expired: make another with POST /sources.".into());
    let empty = || ApiError::InvalidParams("Nothing has been uploaded to this source yet: PUT it to the `put_url`.".into());
    Ok(Origin::Stored(source.ok_or_else(gone)?.digest.ok_or_else(empty)?))
}

pub(super) fn buildpack(config: &Config, new: NewBuildpack) -> Result<BuildpackRef, ApiError> {
    let missing = || ApiError::InvalidParams("Each of the buildpacks must have a `url` or a `name`.".into());
    buildpack_installations::known(config, &new.url.or(new.name).ok_or_else(missing)?)
}

async fn find(ctx: &Ctx, app: &App, build: &str) -> Result<Build, ApiError> {
    let id = build.parse().map_err(|_| ApiError::NotFound("build"))?;
    db::builds::get(&mut *ctx.db.read().await?, app.id, id).await?.ok_or(ApiError::NotFound("build"))
}

async fn answer<A>(ctx: &Ctx, at: &InApp<A>, build: &Build) -> Result<Json<types::Build>, ApiError> {
    let urls = Urls::new(ctx);
    let described = describe_one(&mut *ctx.db.read().await?, build, &urls, &at.permissions).await?;
    Ok(Json(with_place(ctx, described)))
}

/// Says where a build stands in the queue.
fn with_place(ctx: &Ctx, build: types::Build) -> types::Build {
    types::Build { builds_ahead: ctx.builds.ahead_of(build.app.id, build.id), ..build }
}

/// A build with everything that its description needs, for whoever has these permissions.
pub(super) async fn describe_one(
    db: &mut Connection,
    build: &Build,
    urls: &Urls,
    permissions: &Permissions,
) -> Result<types::Build, ApiError> {
    let release = release_of(db, build).await?;
    let user = (&db::accounts::get(db, build.by).await?).into();
    Ok(describe(build, release.as_ref(), user, urls, permissions))
}

async fn release_of(db: &mut Connection, build: &Build) -> Result<Option<Release>, ApiError> {
    Ok(db::releases::by_build(db, build.app, build.id).await?)
}

pub(super) fn describe(
    build: &Build,
    release: Option<&Release>,
    user: UserRef,
    urls: &Urls,
    permissions: &Permissions,
) -> types::Build {
    // The wire has no word for a cancelled build.
    let status = match build.status {
        BuildStatus::Cancelled => BuildStatus::Failed,
        status => status,
    };
    types::Build {
        app: IdRef { id: build.app },
        buildpacks: buildpacks_of(build),
        builds_ahead: None,
        created_at: Timestamp(build.created_at),
        generation: "cedar".into(),
        id: build.id,
        output_stream_url: urls.build_output(build.id),
        release: release.map(|release| IdRef { id: release.id }),
        slug: build.slug.map(|id| IdRef { id }),
        source_blob: describe_source(build, permissions),
        stack: build.stack.to_string(),
        status: status.as_str().into(),
        updated_at: Timestamp(build.updated_at),
        user,
    }
}

/// Those that it was made with or, as long as they are not known, those that it was given.
pub(super) fn buildpacks_of(build: &Build) -> Option<Vec<types::UsedBuildpack>> {
    let used: Vec<_> = if build.used.is_empty() {
        build.buildpacks.iter().map(Into::into).collect()
    } else {
        build.used.iter().map(Into::into).collect()
    };
    (!used.is_empty()).then_some(used)
}

/// Whoever knows the URL can get the code.
fn describe_source(build: &Build, permissions: &Permissions) -> SourceBlob {
    match &build.source {
        Some(source) => SourceBlob {
            checksum: source.checksum.map(|checksum| checksum.to_string()),
            url: permissions.allow(Action::ReadCode).then(|| source.url.clone()),
            version: source.version.as_ref().map(ToString::to_string),
            version_description: source.version_description.clone(),
        },
        None => SourceBlob {
            checksum: None,
            url: None,
            version: build.commit.as_ref().map(ToString::to_string),
            version_description: None,
        },
    }
}
