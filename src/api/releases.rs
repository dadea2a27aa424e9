//! The ledger: read, and appended to.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use axum::Json;
use axum::extract::State;

use super::answer::Created;
use super::builds;
use super::error::ApiError;
use super::extract::{Body, Configure, InApp, Named, Operate, See};
use super::oci_images;
use super::range::{Page, Range};
use super::types::{self, Artifact, IdRef, NamedRef, NewRelease, Timestamp, UserRef};
use super::urls::Urls;
use crate::ctx::Ctx;
use crate::db::{self, Connection};
use crate::deploy;
use crate::model::{Account, AccountId, Action, App, ArtifactId, ConfigVars, OneLine, PushCertificate, Release, SlugId};
use crate::release::{self, Cause};

/// `GET /apps/{app}/releases`
pub(super) async fn list(State(ctx): State<Ctx>, at: InApp<See>, range: Range) -> Result<Page<types::Release>, ApiError> {
    let window = range.window("version", &["id"])?;
    let mut db = ctx.db.read().await?;
    let releases = db::releases::window(&mut db, at.app.id, window).await?;
    let page = range.page(releases, &("version", |release: &Release| release.version.0.to_string()), "version");
    let users = users(&mut db, page.items().iter().map(|release| release.by)).await?;
    let urls = Urls::new(&ctx);
    Ok(page.map(|release| describe(&urls, &at.app, &release, users[&release.by].clone())))
}

/// `POST /apps/{app}/releases`: of a slug or an image; without one, of the newest release's code once more; or back to an earlier
/// release.
pub(super) async fn create(
    State(ctx): State<Ctx>,
    at: InApp<Operate>,
    Body(new): Body<NewRelease>,
) -> Result<Created<types::Release>, ApiError> {
    let cause = Cause { app: at.app.id, by: at.by.id, at: ctx.now() };
    let description = new.description.as_deref().map(str::parse::<OneLine>).transpose();
    let description = description.map_err(ApiError::unfit("description"))?;
    let artifact = match (new.slug, new.oci_image) {
        (Some(_), Some(_)) => return Err(ApiError::InvalidParams("Name a `slug` or an `oci_image`, not both.".into())),
        (Some(slug), None) => Some(ArtifactName::Slug(slug)),
        (None, image) => image.map(ArtifactName::OciImage),
    };
    let release = match (new.release, artifact, description) {
        (Some(_), Some(_), _) => {
            return Err(ApiError::InvalidParams("Name a `slug`, an `oci_image` or a `release`, and not two of them.".into()));
        }
        (Some(target), None, _) => {
            let target = find(&mut *ctx.db.read().await?, &at.app, &target).await?;
            let rolled_back = release::roll_back(&ctx.db, cause, target.id).await;
            rolled_back.map_err(|error| ApiError::of_rollback(target.version, error))?
        }
        (None, Some(artifact), description) => {
            at.may(&ctx, Action::Deploy).await?;
            let artifact = match artifact {
                ArtifactName::Slug(slug) => ArtifactId::Slug(released_slug(&ctx, &at.app, &slug).await?),
                ArtifactName::OciImage(image) => {
                    ArtifactId::OciImage(oci_images::find(&mut *ctx.db.read().await?, &at.app, &image).await?)
                }
            };
            release::release_artifact(&ctx.db, cause, artifact, description).await?
        }
        (None, None, Some(description)) => release::release_again(&ctx.db, cause, description).await?,
        (None, None, None) => {
            return Err(ApiError::InvalidParams(
                "Name a `slug` or an `oci_image` to release, or a `release` to roll back to.".into(),
            ));
        }
    };
    deploy::begin_phase(&ctx, &release);
    Ok(Created(describe(&Urls::new(&ctx), &at.app, &release, (&at.by).into())))
}

/// What is to be released, as the request names it.
enum ArtifactName {
    Slug(String),
    OciImage(String),
}

/// A slug that the app may release, whose archive is there.
async fn released_slug(ctx: &Ctx, app: &App, slug: &str) -> Result<SlugId, ApiError> {
    let id = slug.parse().map_err(|_| ApiError::NotFound("slug"))?;
    let mut db = ctx.db.read().await?;
    if db::slugs::is_of_app(&mut db, id, app.id).await? {
        return Ok(id);
    }
    match db::slug_uploads::get(&mut db, id).await? {
        Some(upload) if upload.app == app.id => Err(ApiError::InvalidParams(
            "The slug has not been uploaded yet. PUT its archive to its blob's url first, then release it.".into(),
        )),
        _ => Err(ApiError::NotFound("slug")),
    }
}

/// `GET /apps/{app}/releases/{release}`, by version or id.
pub(super) async fn info(
    State(ctx): State<Ctx>,
    at: InApp<See>,
    Named(release): Named,
) -> Result<Json<types::Release>, ApiError> {
    let mut db = ctx.db.read().await?;
    let release = find(&mut db, &at.app, &release).await?;
    let user = (&db::accounts::get(&mut db, release.by).await?).into();
    let push_certificate = db::push_certificates::of_release(&mut db, release.id).await?.map(Into::into);
    let build = match release.slug {
        Some(slug) => db::builds::by_slug(&mut db, slug).await?,
        None => None,
    };
    let buildpacks = build.as_ref().and_then(builds::buildpacks_of);
    Ok(Json(types::Release { buildpacks, push_certificate, ..describe(&Urls::new(&ctx), &at.app, &release, user) }))
}

/// `GET /apps/{app}/releases/{release}/config-vars`: as they were then.
pub(super) async fn config_vars(
    State(ctx): State<Ctx>,
    at: InApp<Configure>,
    Named(release): Named,
) -> Result<Json<ConfigVars>, ApiError> {
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

/// The accounts of a page, as other resources show them.
pub(super) async fn users(
    db: &mut Connection,
    ids: impl Iterator<Item = AccountId>,
) -> Result<BTreeMap<AccountId, UserRef>, ApiError> {
    Ok(accounts(db, ids).await?.iter().map(|(id, account)| (*id, account.into())).collect())
}

/// The accounts of a page, each read once.
pub(super) async fn accounts(
    db: &mut Connection,
    ids: impl Iterator<Item = AccountId>,
) -> Result<BTreeMap<AccountId, Account>, ApiError> {
    let mut accounts = BTreeMap::new();
    for id in ids {
        if let Entry::Vacant(account) = accounts.entry(id) {
            account.insert(db::accounts::get(db, id).await?);
        }
    }
    Ok(accounts)
}

impl From<PushCertificate> for types::PushCertificate {
    fn from(PushCertificate { fingerprint, text }: PushCertificate) -> Self {
        Self { fingerprint, certificate: String::from_utf8_lossy(&text).into_owned() }
    }
}

pub(super) fn describe(urls: &Urls, app: &App, release: &Release, user: UserRef) -> types::Release {
    let artifacts = release.artifact().map(|artifact| match artifact {
        ArtifactId::Slug(id) => Artifact { kind: "slug".into(), id: id.to_string() },
        ArtifactId::OciImage(id) => Artifact { kind: "oci-image".into(), id: id.to_string() },
    });
    types::Release {
        addon_plan_names: release.addons.iter().map(|addon| addon.plan.clone()).collect(),
        app: NamedRef { id: app.id.to_string(), name: app.name.to_string() },
        artifacts: artifacts.into_iter().collect(),
        blocked_reason: release.blocked.clone(),
        buildpacks: None,
        created_at: Timestamp(release.created_at),
        current: release.current,
        description: release.description.clone(),
        eligible_for_rollback: release.eligible_for_rollback(),
        id: release.id,
        oci_image: release.oci_image.map(|id| IdRef { id }),
        output_stream_url: release.has_command.then(|| urls.release_output(release.id)),
        push_certificate: None,
        slug: release.slug.map(|id| IdRef { id }),
        status: release.status.as_str().into(),
        updated_at: Timestamp(release.updated_at),
        user,
        version: release.version.0,
    }
}
