//! Which buildpacks build an app, and where they come from: hoist, the app itself, or another server.
//!
//! `meaning` is what a name stands for. What is on another server is fetched once and kept (`copies`): builds that want the same
//! pack at the same time wait for one of them (`turns`).

mod copies;
mod meaning;
mod turns;

use super::{Failure, Request, source_means, submodules};
use crate::build::{self, Build, BuildError, Detected, FoundPack, Means, Source, SubmoduleAccess};
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::fetch;
use crate::model::{AppId, BuildId, BuildpackRef, ConfigVars, UsedBuildpack};
use copies::fetch_pack;
pub use meaning::{Meaning, meaning_of};
pub use turns::Packs;

/// On whose behalf packs are fetched, and how.
#[derive(Debug)]
pub(super) struct Behalf<'a> {
    /// The app whose credentials there are.
    app: Option<AppId>,
    means: Means<'a>,
}

impl<'a> Behalf<'a> {
    /// On nobody's: what is not public is not fetched.
    pub(super) fn nobodys(ctx: &'a Ctx) -> Self {
        Self { app: None, means: means_of(ctx, SubmoduleAccess::default()) }
    }

    /// On an app's. What somebody else has written who opened a pull request, an archive from a forge, names nothing that opens
    /// with the app's credentials.
    async fn of(ctx: &'a Ctx, request: &Request) -> Result<Self, DbError> {
        if matches!(request.source, Source::Archive(_)) && request.origin.is_some() {
            return Ok(Self::nobodys(ctx));
        }
        let app = request.app.id;
        let credentials = db::git_credentials::open_of(&mut *ctx.db.read().await?, ctx.db.cipher(), app).await?;
        Ok(Self { app: Some(app), means: means_of(ctx, SubmoduleAccess::new(None, credentials)) })
    }
}

fn means_of(ctx: &Ctx, submodules: SubmoduleAccess) -> Means<'_> {
    let means = source_means(ctx);
    let bounds = fetch::Bounds { time: ctx.config.buildpacks.fetch_time, ..means.bounds };
    Means { bounds, submodules, ..means }
}

/// Finds out which buildpacks the app is built with, gets them, and remembers which they were.
pub(super) async fn find_and_select(
    ctx: &Ctx,
    id: BuildId,
    request: &Request,
    build: &Build<'_>,
    config: &ConfigVars,
) -> Result<Vec<Detected>, Failure> {
    let wanted = build::choose_buildpacks(build, config, &request.buildpacks).await?;
    let behalf = Behalf::of(ctx, request).await?;
    let found = find_all(ctx, build, &wanted, &behalf).await;
    submodules::note_shown(ctx, &behalf.means.submodules).await?;
    let packs = build::select(build, found?).await?;
    let used: Vec<_> = packs.iter().map(|pack| pack.used.clone()).collect();
    record(ctx, id, &used).await?;
    Ok(packs)
}

/// Gets the files of buildpacks, in order.
pub(super) async fn find_all(
    ctx: &Ctx,
    build: &Build<'_>,
    wanted: &[BuildpackRef],
    behalf: &Behalf<'_>,
) -> Result<Vec<FoundPack>, Failure> {
    let mut found = Vec::with_capacity(wanted.len());
    for buildpack in wanted {
        found.push(find(ctx, build, buildpack, behalf).await?);
    }
    Ok(found)
}

async fn find(ctx: &Ctx, build: &Build<'_>, buildpack: &BuildpackRef, behalf: &Behalf<'_>) -> Result<FoundPack, Failure> {
    let missing = || BuildError::NoSuchBuildpack(buildpack.clone());
    match meaning_of(&ctx.config, buildpack).ok_or_else(missing)? {
        Meaning::Builtin(name) => {
            if let BuildpackRef::Registered(registered) = buildpack {
                build.transcript.detail(&format!("{registered} is hoist/{name} here, which comes with hoist"));
            }
            Ok(FoundPack::builtin(buildpack.clone(), &name).ok_or_else(missing)?)
        }
        Meaning::InApp(path) => Ok(FoundPack::in_app(&path)),
        Meaning::At(place) => fetch_pack(ctx, build.transcript, buildpack, &place, behalf).await,
    }
}

/// Tells whether a build now would be made with what an earlier one was made with. No server is asked: what is on one counts as the
/// same as long as its copy is used unasked.
pub(super) async fn would_use(ctx: &Ctx, request: &Request, used: &[UsedBuildpack]) -> Result<bool, Failure> {
    let behalf = Behalf::of(ctx, request).await?;
    for one in used {
        let version = match meaning_of(&ctx.config, &one.buildpack) {
            Some(Meaning::InApp(_)) => None,
            Some(Meaning::Builtin(name)) => FoundPack::builtin(one.buildpack.clone(), &name).and_then(|pack| pack.used().version),
            Some(Meaning::At(place)) => copies::version_unasked(ctx, &place, &behalf).await?,
            None => return Ok(false),
        };
        if version != one.version {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Remembers which buildpacks a build is made with.
pub(super) async fn record(ctx: &Ctx, id: BuildId, used: &[UsedBuildpack]) -> Result<(), DbError> {
    let mut tx = ctx.db.write().await?;
    db::build_buildpacks::insert(&mut tx, id, used).await?;
    Ok(tx.commit().await?)
}
