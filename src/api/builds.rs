//! Builds, to be read.

use axum::Json;
use axum::extract::State;

use super::error::ApiError;
use super::extract::{InApp, Named};
use super::range::{Page, Range};
use super::releases::users;
use super::types::{self, IdRef, SourceBlob, Timestamp, UserRef};
use super::urls::Urls;
use crate::ctx::Ctx;
use crate::db::builds::Build;
use crate::db::{self, Connection};
use crate::model::{BuildStatus, Release};

/// `GET /apps/{app}/builds`. Builds are numbered as they are accepted, so by number is by `created_at`.
pub(super) async fn list(State(ctx): State<Ctx>, at: InApp, range: Range) -> Result<Page<types::Build>, ApiError> {
    let window = range.window("number", &["created_at", "id"])?;
    let mut db = ctx.db.read().await?;
    let builds = db::builds::window(&mut db, at.app.id, window).await?;
    let page = range.page(builds, &("number", |build: &Build| build.number.to_string()), "created_at, number");
    let users = users(&mut db, page.items().iter().map(|build| build.by)).await?;
    let mut releases = Vec::new();
    for build in page.items() {
        releases.push(release_of(&mut db, build).await?);
    }
    let urls = Urls::new(&ctx.config);
    let mut releases = releases.into_iter();
    Ok(page.map(|build| describe(&build, releases.next().flatten().as_ref(), users[&build.by].clone(), &urls)))
}

/// `GET /apps/{app}/builds/{build}`
pub(super) async fn info(State(ctx): State<Ctx>, at: InApp, Named(build): Named) -> Result<Json<types::Build>, ApiError> {
    let id = build.parse().map_err(|_| ApiError::NotFound("build"))?;
    let mut db = ctx.db.read().await?;
    let build = db::builds::get(&mut db, at.app.id, id).await?.ok_or(ApiError::NotFound("build"))?;
    let release = release_of(&mut db, &build).await?;
    let user = (&db::accounts::get(&mut db, build.by).await?).into();
    Ok(Json(describe(&build, release.as_ref(), user, &Urls::new(&ctx.config))))
}

async fn release_of(db: &mut Connection, build: &Build) -> Result<Option<Release>, ApiError> {
    Ok(db::releases::by_build(db, build.app, build.id).await?)
}

fn describe(build: &Build, release: Option<&Release>, user: UserRef, urls: &Urls) -> types::Build {
    // The wire has no word for a cancelled build.
    let status = match build.status {
        BuildStatus::Cancelled => BuildStatus::Failed,
        status => status,
    };
    types::Build {
        app: IdRef { id: build.app },
        buildpacks: None,
        created_at: Timestamp(build.created_at),
        generation: "cedar".into(),
        id: build.id,
        output_stream_url: urls.build_output(build.id),
        release: release.map(|release| IdRef { id: release.id }),
        slug: build.slug.map(|id| IdRef { id }),
        source_blob: SourceBlob {
            checksum: None,
            url: None,
            version: build.commit.as_ref().map(ToString::to_string),
            version_description: None,
        },
        stack: build.stack.to_string(),
        status: status.as_str().into(),
        updated_at: Timestamp(build.updated_at),
        user,
    }
}
