//! Where a review app's code is.

use super::super::failure::Failure;
use super::super::source_means;
use super::super::trigger::{Hitch, remote_of};
use super::Halt;
use crate::build::{self, ArchiveSource, Origin, RemoteError, RemoteSource};
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::git::{ClientError, Repo};
use crate::model::{
    BranchName, BuildOrigin, CiState, CommitId, Connection, ConnectionSecrets, PipelineId, Provider, RefName, Remote,
    RemoteCommit, ReviewApp, ReviewSource, SourceBlob, Writer,
};
use crate::tell::{Place, TellError};

/// Code that can be built.
pub(super) struct Fetched {
    pub(super) archive: ArchiveSource,
    /// The commit of the pipeline's repository that it is, if it is one.
    pub(super) commit: Option<CommitId>,
    pub(super) origin: Option<BuildOrigin>,
}

/// Gets the code that is wanted.
pub(super) async fn get(ctx: &Ctx, review_app: &ReviewApp) -> Result<Fetched, Halt> {
    match &review_app.source {
        ReviewSource::Archive { url, digest, version } => {
            let origin = match digest {
                Some(digest) => Origin::Stored(*digest),
                None => {
                    Origin::Url(url.parse().map_err(|error| Halt::Failed(format!("the source's URL can't be used: {error}")))?)
                }
            };
            let blob = SourceBlob { url: url.clone(), checksum: None, version: version.clone(), version_description: None };
            Ok(Fetched { archive: ArchiveSource { origin, blob }, commit: None, origin: None })
        }
        ReviewSource::Repository(commit) => get_commit(ctx, review_app, commit.as_ref()).await,
    }
}

/// Gets a commit of the pipeline's repository, once its CI allows it.
async fn get_commit(ctx: &Ctx, review_app: &ReviewApp, commit: Option<&CommitId>) -> Result<Fetched, Halt> {
    let missing = || Halt::Failed("its pipeline is not connected to a repository any more".into());
    let (connection, secrets) = connection_of(ctx, review_app.pipeline).await?.ok_or_else(missing)?;
    let remote = remote_of(ctx, &connection, secrets.clone()).await?;
    let on = ref_of(review_app, connection.provider);
    let commit = match commit {
        Some(commit) => commit.clone(),
        None => find_tip(ctx, review_app, &remote, &on).await?,
    };
    if review_app.wait_for_ci {
        wait_for_ci(ctx, Place::new(connection.clone(), secrets), &commit).await?;
    }
    // Of the pipeline: as many of its review apps as there may be have one place in which their commits come and go.
    let dir = ctx.config.data_dir.join("repos").join(review_app.pipeline.to_string());
    let io = |what| move |source| Halt::from(Failure::Io { what, source });
    let repo = Repo::open(&dir, &ctx.helper, &ctx.config.limits).map_err(io("the pipeline's repository can't be opened"))?;
    let writer = if review_app.fork.is_some() { Writer::Stranger } else { Writer::Member };
    let source = RemoteSource { commit: RemoteCommit { remote, id: commit.clone(), on: Some(on), writer }, repo };
    let archive = build::keep_remote(&source, &source_means(ctx)).await?;
    let origin = BuildOrigin { connection: connection.id, commit: commit.clone(), pull_request: review_app.pull_request };
    Ok(Fetched { archive, commit: Some(commit), origin: Some(origin) })
}

/// Asks where a branch of a pipeline's repository stands; none when there is no such branch, or no repository.
pub async fn find_branch(ctx: &Ctx, pipeline: PipelineId, branch: &BranchName) -> Result<Option<CommitId>, Failure> {
    let Some((connection, secrets)) = connection_of(ctx, pipeline).await? else { return Ok(None) };
    let remote = match remote_of(ctx, &connection, secrets).await {
        Ok(remote) => remote,
        Err(Hitch::Db(error)) => return Err(error.into()),
        Err(_) => return Ok(None),
    };
    match build::find_remote_ref(&remote, &branch.ref_name(), &source_means(ctx).bounds).await {
        Ok(commit) => Ok(Some(commit)),
        Err(RemoteError::Git(ClientError::NoRef(_))) => Ok(None),
        Err(error) => Err(build::BuildError::from(error).into()),
    }
}

async fn connection_of(ctx: &Ctx, pipeline: PipelineId) -> Result<Option<(Connection, ConnectionSecrets)>, DbError> {
    let mut db = ctx.db.read().await?;
    let Some(connection) = db::connections::of_pipeline(&mut db, pipeline).await? else { return Ok(None) };
    let secrets = db::connections::secrets(&mut db, ctx.db.cipher(), connection.id).await?;
    Ok(secrets.map(|secrets| (connection, secrets)))
}

/// Asks where a ref stands, and keeps to that from then on.
async fn find_tip(ctx: &Ctx, review_app: &ReviewApp, remote: &Remote, on: &RefName) -> Result<CommitId, Halt> {
    let tip = build::find_remote_ref(remote, on, &source_means(ctx).bounds).await;
    let commit = tip.map_err(build::BuildError::from)?;
    let mut tx = ctx.db.write().await?;
    db::review_apps::resolve(&mut tx, review_app.id, &commit).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(commit)
}

async fn wait_for_ci(ctx: &Ctx, place: Place, commit: &CommitId) -> Result<(), Halt> {
    match ctx.providers.ci_state(&place, commit).await {
        Ok(CiState::Green) => Ok(()),
        Ok(CiState::Pending) => Err(Halt::Ci("it waits for CI")),
        // It may be run again.
        Ok(CiState::Red) => Err(Halt::Ci("it waits for CI, which has failed")),
        Err(TellError::Db(error)) => Err(error.into()),
        Err(error) => Err(Halt::Again(format!("CI can't be asked: {error}"))),
    }
}

/// A ref of the pipeline's repository that has the commit. Of a fork's pull request the forge keeps one; what is of no fork is
/// never looked for there, because it may have the pipeline's secrets.
fn ref_of(review_app: &ReviewApp, provider: Provider) -> RefName {
    let number = review_app.pull_request.filter(|_| review_app.fork.is_some());
    let Some(number) = number else { return review_app.branch.ref_name() };
    let folder = if provider == Provider::GitLab { "merge-requests" } else { "pull" };
    format!("refs/{folder}/{number}/head").parse().expect("a number is fit for a ref")
}
