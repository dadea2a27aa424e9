//! What both doors do once they know who pushes: find the app, advertise, receive. `decide` goes on from there.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::decide::Pusher;
use crate::apps;
use crate::auth::{self, AccessError};
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::git::{self, Greeting, Progress, Push, ReceiveError, Repo};
use crate::model::{Account, Action, App, AppName, CommitId, RefName};

/// Which door a push came through: git speaks slightly differently at each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Ssh,
    Http,
}

/// What a pusher may push to.
#[derive(Debug)]
pub struct Target {
    pub app: App,
    repo: Repo,
    refs: Vec<(RefName, CommitId)>,
}

/// Why there is nothing to push to, in words for the pusher.
#[derive(Debug)]
pub enum Refused {
    /// No such app, or not theirs: the two are not told apart.
    NotFound(String),
    /// The app is theirs to see, but not to push to.
    Forbidden(String),
    /// hoist's own fault.
    Unavailable(String),
}

/// A push that ended in the middle. The pusher was told already; this is for the log.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error("the push ended early")]
    Receive(#[from] ReceiveError),
}

/// Finds the app, creating it if the configuration allows, and checks that the account may push to it.
pub async fn open(ctx: &Ctx, account: &Account, app: &str) -> Result<Target, Refused> {
    if ctx.stopping.is_cancelled() {
        return Err(Refused::Unavailable("hoist is being stopped. Please push again in a minute.".into()));
    }
    let app = find_or_create(ctx, account, app).await?;
    let unavailable = |error: &(dyn std::error::Error + 'static)| {
        tracing::error!(app.name = %app.name, error, "a repository can't be opened");
        Refused::Unavailable("hoist can't open this app's repository: hoist's fault, not yours. Please try again.".into())
    };
    let repo = ctx.repo(app.id).map_err(|error| unavailable(&error))?;
    let refs = list_refs(ctx, &app).await.map_err(|error| unavailable(&error))?;
    Ok(Target { app, repo, refs })
}

async fn list_refs(ctx: &Ctx, app: &App) -> Result<Vec<(RefName, CommitId)>, DbError> {
    db::refs::list(&mut *ctx.db.read().await?, app.id).await
}

async fn find_or_create(ctx: &Ctx, account: &Account, name: &str) -> Result<App, Refused> {
    let unavailable = |error: &(dyn std::error::Error + 'static)| {
        tracing::error!(error, "an app can't be looked up");
        Refused::Unavailable("hoist can't look up this app: hoist's fault, not yours. Please try again.".into())
    };
    match auth::open_app(&ctx.db, account.id, name, Action::Deploy).await {
        Ok((app, _)) => return Ok(app),
        Err(AccessError::NoSuchApp) => {}
        Err(AccessError::Denied(denied)) => return Err(Refused::Forbidden(format!("{denied}."))),
        Err(AccessError::Db(error)) => return Err(unavailable(&error)),
    }
    let not_found = || Refused::NotFound(format!("No such app as {}.", name.escape_debug()));
    let Ok(name) = name.parse::<AppName>() else { return Err(not_found()) };
    if !ctx.config.create_on_push {
        return Err(not_found());
    }
    match apps::create(&ctx.db, account, Some(name), &ctx.config.default_stack, ctx.now()).await {
        Ok(app) => Ok(app),
        // The name is somebody else's: that must look like any app that is not there.
        Err(apps::AppError::Invalid(_)) => Err(not_found()),
        Err(apps::AppError::Db(error)) => Err(unavailable(&error)),
    }
}

/// Writes the ref advertisement.
pub async fn advertise(target: &Target, writer: &mut (impl AsyncWrite + Unpin + Send), door: Door) -> io::Result<()> {
    let greeting = match door {
        Door::Ssh => Greeting::Stream,
        Door::Http => Greeting::Http,
    };
    git::advertise(writer, &target.refs, greeting).await
}

/// Reads commands and pack, builds, releases and reports.
pub async fn receive<R, W>(ctx: &Ctx, account: &Account, target: Target, reader: R, writer: W) -> Result<(), PushError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let Target { app, repo, refs } = target;
    let pushed_repo = repo.clone();
    let decide = async |push: Push, progress: Progress| {
        let pusher = Pusher { ctx, account, app: &app, repo: pushed_repo, progress };
        pusher.decide(push).await
    };
    git::receive_pack(reader, writer, &repo, &refs, decide).await?;
    Ok(())
}
