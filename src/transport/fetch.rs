//! What both doors do once they know who fetches: find the app, tell its refs, send what is asked for.

use tokio::io::{AsyncRead, AsyncWrite};
use tracing::info;

use super::find::{Wish, find_app};
use super::push::{Refused, Visitor};
use crate::auth::TooOften;
use crate::ctx::Ctx;
use crate::db;
use crate::git::{FetchError, Greeting, Terms, UploadPack, Version};
use crate::model::{Action, App, CommitId, Door, RefName, is_deploy_branch};

/// The branch that HEAD stands for where there is none yet that is deployed.
const FIRST_BRANCH: &str = "refs/heads/main";

/// What somebody may fetch from.
pub struct Source {
    pub app: App,
    upload_pack: UploadPack,
}

/// Finds the app, checks that the account may have its code, and counts the fetch.
///
/// Over HTTP a fetch is several requests; those after the first are counted by [`follow`], because how many there are is
/// not for the user to say.
pub async fn begin(ctx: &Ctx, visitor: &Visitor, app: &str) -> Result<App, Refused> {
    let app = find(ctx, visitor, app).await?;
    let counted = ctx.rates.git(visitor.account.id, app.id, visitor.address, ctx.now());
    counted.map_err(|TooOften { retry_after }| Refused::TooOften(retry_after))?;
    Ok(app)
}

/// Finds the app again for a later request of a fetch, and counts that in its own way.
pub async fn follow(ctx: &Ctx, visitor: &Visitor, app: &str) -> Result<App, Refused> {
    let app = find(ctx, visitor, app).await?;
    let counted = ctx.rates.git_turn(visitor.account.id, app.id, visitor.address, ctx.now());
    counted.map_err(|TooOften { retry_after }| Refused::TooOften(retry_after))?;
    Ok(app)
}

/// Reads an app's refs, and makes its code ready to be fetched.
pub async fn open(ctx: &Ctx, visitor: &Visitor, app: App) -> Result<Source, Refused> {
    let unavailable = |error: &(dyn std::error::Error + 'static)| {
        tracing::error!(app.name = %app.name, error, "a repository can't be opened");
        Refused::Unavailable("hoist can't open this app's repository: hoist's fault, not yours. Please try again.".into())
    };
    let repo = ctx.repo(app.id).map_err(|error| unavailable(&error))?;
    let mut db = ctx.db.read().await.map_err(|error| unavailable(&error))?;
    let refs = db::refs::list(&mut db, app.id).await.map_err(|error| unavailable(&error))?;
    let upload_pack = UploadPack::new(&repo, &refs, &head(&refs), &ctx.fetches, visitor.account.id);
    Ok(Source { app, upload_pack })
}

/// The branch that is deployed: `main`, or else `master`.
fn head(refs: &[(RefName, CommitId)]) -> RefName {
    let deployed = refs.iter().map(|(name, _)| name).find(|name| is_deploy_branch(name));
    deployed.cloned().unwrap_or_else(|| FIRST_BRANCH.parse().expect("it is a ref's name"))
}

/// Finds the app and checks that the account may have its code.
async fn find(ctx: &Ctx, visitor: &Visitor, name: &str) -> Result<App, Refused> {
    find_app(ctx, visitor, name, Wish { action: Action::ReadCode, deed: ("fetch", "fetch") }).await
}

/// What the client hears first.
pub async fn advertisement(source: &Source, version: Version, door: Door) -> Result<Vec<u8>, FetchError> {
    let greeting = match door {
        Door::GitHttp => Greeting::Http,
        _ => Greeting::Stream,
    };
    source.upload_pack.advertisement(version, greeting).await
}

/// Answers what the client asks for, and writes down what it got.
pub async fn serve<R, W>(visitor: &Visitor, source: &Source, version: Version, reader: R, writer: W) -> Result<(), FetchError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let terms = Terms { version, is_stateless: visitor.door == Door::GitHttp };
    let served = source.upload_pack.serve(reader, writer, terms).await?;
    if served.bytes > 0 {
        let (account, door) = (visitor.account.email.as_str(), visitor.door.as_str());
        info!(app.name = %source.app.name, account, door, objects = served.objects, bytes = served.bytes, "fetched");
        crate::telemetry::sent(door, served.bytes);
    }
    Ok(())
}

/// Tells the operator of a fetch that failed. A client's mistakes and departures are no business of theirs.
pub fn log(app: &str, error: &FetchError) {
    let cause = error as &dyn std::error::Error;
    if let FetchError::Store(_) = error {
        tracing::error!(app.name = app, error = cause, "fetch failed");
    } else {
        info!(app.name = app, error = cause, "fetch ended early");
    }
}
