//! The ledger, to be read.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use axum::Json;
use axum::extract::State;

use super::error::ApiError;
use super::extract::{InApp, Named};
use super::range::{Page, Range};
use super::types::{self, Artifact, IdRef, NamedRef, Timestamp, UserRef};
use crate::ctx::Ctx;
use crate::db::{self, Connection};
use crate::model::{AccountId, App, ConfigVars, Release, ReleaseStatus};

/// `GET /apps/{app}/releases`
pub(super) async fn list(State(ctx): State<Ctx>, at: InApp, range: Range) -> Result<Page<types::Release>, ApiError> {
    let window = range.window("version", &["id"])?;
    let mut db = ctx.db.read().await?;
    let releases = db::releases::window(&mut db, at.app.id, window).await?;
    let page = range.page(releases, &("version", |release: &Release| release.version.0.to_string()), "version");
    let users = users(&mut db, page.items().iter().map(|release| release.by)).await?;
    Ok(page.map(|release| describe(&at.app, &release, users[&release.by].clone())))
}

/// `GET /apps/{app}/releases/{release}`, by version or id.
pub(super) async fn info(State(ctx): State<Ctx>, at: InApp, Named(release): Named) -> Result<Json<types::Release>, ApiError> {
    let mut db = ctx.db.read().await?;
    let release = find(&mut db, &at.app, &release).await?;
    let user = (&db::accounts::get(&mut db, release.by).await?).into();
    Ok(Json(describe(&at.app, &release, user)))
}

/// `GET /apps/{app}/releases/{release}/config-vars`: as they were then.
pub(super) async fn config_vars(State(ctx): State<Ctx>, at: InApp, Named(release): Named) -> Result<Json<ConfigVars>, ApiError> {
    let mut db = ctx.db.read().await?;
    let release = find(&mut db, &at.app, &release).await?;
    Ok(Json(db::releases::config(&mut db, ctx.db.cipher(), release.id).await?))
}

pub(super) async fn find(db: &mut Connection, app: &App, version_or_id: &str) -> Result<Release, ApiError> {
    let found = match (version_or_id.parse(), version_or_id.parse()) {
        (Ok(version), _) => db::releases::get(db, app.id, version).await?,
        (_, Ok(id)) => db::releases::by_id(db, app.id, id).await?,
        _ => None,
    };
    found.ok_or(ApiError::NotFound("release"))
}

/// The accounts of a page, each read once.
pub(super) async fn users(
    db: &mut Connection,
    ids: impl Iterator<Item = AccountId>,
) -> Result<BTreeMap<AccountId, UserRef>, ApiError> {
    let mut users = BTreeMap::new();
    for id in ids {
        if let Entry::Vacant(user) = users.entry(id) {
            user.insert((&db::accounts::get(db, id).await?).into());
        }
    }
    Ok(users)
}

pub(super) fn describe(app: &App, release: &Release, user: UserRef) -> types::Release {
    let artifacts = release.slug.iter().map(|&id| Artifact { kind: "slug".into(), id }).collect();
    types::Release {
        addon_plan_names: Vec::new(),
        app: NamedRef { id: app.id.to_string(), name: app.name.to_string() },
        artifacts,
        created_at: Timestamp(release.created_at),
        current: release.current,
        description: release.description.clone(),
        // A release without code is nothing to go back to.
        eligible_for_rollback: release.status == ReleaseStatus::Succeeded && release.slug.is_some(),
        id: release.id,
        output_stream_url: None,
        slug: release.slug.map(|id| IdRef { id }),
        status: release.status.as_str().into(),
        updated_at: Timestamp(release.created_at),
        user,
        version: release.version.0,
    }
}
