//! The files of Git LFS that pushed commits need: looked for before anything is built, and kept while a commit needs them.

use time::OffsetDateTime;

use super::Failure;
use super::failure::MissingLfs;
use crate::build::BuildError;
use crate::ctx::Ctx;
use crate::git::{Quarantine, ReadError, Repo};
use crate::lfs;
use crate::model::{App, AppId, CommitId, LfsObject};

/// Finds the files of Git LFS that a commit's tree needs. One that the app has not been sent is a reason to refuse the commit:
/// its place would be taken by a few lines of text, with which builds seem to succeed.
pub async fn find_lfs_objects(
    ctx: &Ctx,
    app: &App,
    repo: &Repo,
    quarantine: Option<&Quarantine>,
    commit: &CommitId,
) -> Result<Vec<LfsObject>, Failure> {
    let survey = repo.survey(quarantine, commit).await.map_err(BuildError::from)?;
    let objects: Vec<_> = survey.lfs.keys().copied().collect();
    let has = lfs::count_on(&ctx.db, app.id, &objects, ctx.now()).await?;
    let missing: Vec<_> = survey.lfs.values().zip(&has).filter(|(_, has)| !**has).map(|(path, _)| path.clone()).collect();
    if !missing.is_empty() {
        let here = format!("{}/{}.git/info/lfs", ctx.config.base_url(), app.name);
        let elsewhere = survey.lfs_url.filter(|url| url.trim_end_matches('/') != here);
        return Err(Failure::LfsMissing(MissingLfs::new(missing, elsewhere.map(|url| (url, here)))));
    }
    let limit = ctx.config.limits.source_bytes;
    let bytes = objects.iter().fold(0_u64, |sum, object| sum.saturating_add(object.size_bytes));
    if bytes > limit {
        return Err(BuildError::from(ReadError::SourceTooLarge { limit }).into());
    }
    Ok(objects)
}

/// Forgets the files that were sent some time ago and that no commit has come to need; tells how many. An app whose repository
/// can't be read keeps its own.
pub async fn forget_unneeded_lfs(ctx: &Ctx) -> Result<u64, Failure> {
    let before: OffsetDateTime = ctx.now() - ctx.config.limits.garbage_time;
    let mut forgotten = 0;
    for app in lfs::apps_with_unneeded(&ctx.db, before).await? {
        match forget_unneeded_of(ctx, app, before).await {
            Ok(count) => forgotten += count,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(app.id = %app, error, "what an app needs of Git LFS can't be found out");
            }
        }
    }
    Ok(forgotten)
}

async fn forget_unneeded_of(ctx: &Ctx, app: AppId, before: OffsetDateTime) -> Result<u64, Failure> {
    let repo = ctx.repo(app).map_err(|source| Failure::Io { what: "a repository can't be opened", source })?;
    let needed = repo.lfs_objects().await.map_err(BuildError::from)?;
    Ok(lfs::forget_unneeded(&ctx.db, app, |object| needed.contains(object), before).await?)
}
