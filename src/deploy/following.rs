//! Apps that follow another one: what is pushed to that, and has been released, is built for them too.
//!
//! That it is to be is a row, written in the transaction that releases the push, until a build has been accepted for it, in the
//! transaction that accepts the build, or there will be none. So a crash loses nothing. Each follower has its own build, log, outcome
//! and release. The commit is read where it was pushed to: the followers' own refs and packs stay as they are.

mod worker;

use std::time::Duration;

use super::trigger::{Hitch, next_try};
use super::{Failure, Request, request, submit};
use crate::auth::{self, AccessError};
use crate::build::{GitSource, Source};
use crate::ctx::Ctx;
use crate::db::follower_deploys::FollowerDeploy;
use crate::db::{self, DbError};
use crate::model::{Action, App, BuildId, FollowerDeployId, Priority, PushOptions};

pub use worker::deploy_followers;

/// How a push stands with one that follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    Built(BuildId),
    /// There is no build and there will be none, for a reason.
    NotBuilt(String),
    /// It is tried again, for a reason; if hoist is being stopped, by the next start.
    NotYet(String),
}

/// Lists what a push, which has built this, is to be built for besides.
pub async fn followers_of(ctx: &Ctx, build: BuildId) -> Result<Vec<FollowerDeploy>, DbError> {
    db::follower_deploys::of_push(&mut *ctx.db.read().await?, build).await
}

/// Waits until a build has been accepted, or it is known why not, or not yet. It is tried at once, so that this does not take long.
pub async fn fate(ctx: &Ctx, id: FollowerDeployId) -> Result<Fate, DbError> {
    let mut commits = ctx.db.commits();
    loop {
        commits.borrow_and_update();
        let deploy = db::follower_deploys::get(&mut *ctx.db.read().await?, id).await?;
        match (deploy.is_done, deploy.build, deploy.reason) {
            (true, Some(build), _) => return Ok(Fate::Built(build)),
            (true, None, reason) => return Ok(Fate::NotBuilt(reason.unwrap_or_default())),
            (false, _, Some(reason)) => return Ok(Fate::NotYet(reason)),
            (false, _, None) => {}
        }
        tokio::select! {
            // Its sender is the database's.
            _ = commits.changed() => {}
            () = ctx.stopping.cancelled() => return Ok(Fate::NotYet("hoist is being stopped".into())),
        }
    }
}

/// Has it built, or records why it is not.
async fn advance(ctx: &Ctx, deploy: &FollowerDeploy) -> Result<(), DbError> {
    let hitch = match step(ctx, deploy).await {
        // One that hoist's stop has cut off is taken up by the next start.
        Ok(()) | Err(Hitch::Stopping) => return Ok(()),
        Err(Hitch::Db(error)) => return Err(error),
        Err(hitch) => hitch,
    };
    let now = ctx.now();
    let next = match &hitch {
        Hitch::Later { first_wait, within, .. } => next_try(deploy.attempts, *first_wait, deploy.since + *within, now),
        _ => None,
    };
    let mut tx = ctx.db.write().await?;
    match next {
        Some(next) => db::follower_deploys::postpone(&mut tx, deploy.id, &hitch.to_string(), next, now).await?,
        None => db::follower_deploys::give_up(&mut tx, deploy.id, &hitch.to_string(), now).await?,
    }
    tx.commit().await?;
    if next.is_none() {
        tracing::info!(app.id = %deploy.app, "a push to an app is not built for one that follows it: {hitch}");
    }
    Ok(())
}

async fn step(ctx: &Ctx, deploy: &FollowerDeploy) -> Result<(), Hitch> {
    let (app, followed) = apps_of(ctx, deploy).await?;
    match auth::open_app(&ctx.db, deploy.by, &app.id.to_string(), Action::Deploy).await {
        Ok(_) => {}
        Err(AccessError::Db(error)) => return Err(error.into()),
        Err(error @ (AccessError::NoSuchApp | AccessError::Denied(_))) => return Err(Hitch::Final(error.to_string())),
    }
    let request = match new_request(ctx, deploy, app, &followed).await {
        Ok(request) => request,
        Err(failure) => return Err(hitch(&failure, deploy)),
    };
    let ticket = submit(ctx, request).await.map_err(|failure| hitch(&failure, deploy))?;
    tracing::info!(app.id = %deploy.app, build.id = %ticket.build, "a push to {} is built for an app that follows it", followed.name);
    Ok(())
}

/// The one that follows, and the one that was pushed to, if that is still so.
async fn apps_of(ctx: &Ctx, deploy: &FollowerDeploy) -> Result<(App, App), Hitch> {
    let mut db = ctx.db.read().await?;
    let gone = || Hitch::Final("one of the two apps has been destroyed".into());
    let app = db::apps::by_id(&mut db, deploy.app).await?.ok_or_else(gone)?;
    let followed = db::apps::by_id(&mut db, deploy.followed).await?.ok_or_else(gone)?;
    if db::apps::followed(&mut db, app.id).await? != Some(followed.id) {
        return Err(Hitch::Final("it does not follow any more".into()));
    }
    Ok((app, followed))
}

async fn new_request(ctx: &Ctx, deploy: &FollowerDeploy, app: App, followed: &App) -> Result<Request, Failure> {
    let unreadable = |source| Failure::Io { what: "the repository of the app that was pushed to can't be opened", source };
    // Nothing is taken from it until this is built.
    let repo = ctx.repo(followed.id).map_err(unreadable)?.hold().await.map_err(unreadable)?;
    // Its files of Git LFS were sent to the same app.
    let lfs = super::find_lfs_objects(ctx, followed, &repo, None, &deploy.commit).await?;
    let (commit, received_in) = (deploy.commit.clone(), Duration::ZERO);
    let source = Source::Git(GitSource { repo, quarantine: None, commit, lfs, certificate: None, received_in });
    let mut db = ctx.db.read().await?;
    Ok(Request {
        by: db::accounts::get(&mut db, deploy.by).await?,
        source,
        options: PushOptions::default(),
        priority: Priority::Push,
        refs: Vec::new(),
        pack: None,
        buildpacks: db::buildpacks::list(&mut db, app.id).await?,
        cache: db::apps::cache(&mut db, app.id).await?,
        origin: None,
        trigger: Some(request::Trigger::Push(deploy.id)),
        app,
    })
}

fn hitch(failure: &Failure, deploy: &FollowerDeploy) -> Hitch {
    match failure {
        Failure::Stopped => Hitch::Stopping,
        Failure::Cancelled => Hitch::Final("a later build of the app came first".into()),
        Failure::QueueFull(_) => Hitch::later(failure),
        failure if failure.is_hoists_fault() => {
            tracing::error!(app.id = %deploy.app, error = failure as &dyn std::error::Error, "a push can't be built for an app that follows");
            Hitch::later("hoist could not begin its build")
        }
        failure => Hitch::Final(failure.to_string()),
    }
}
