//! What both doors do once they know who pushes: find the app, advertise, receive. `decide` goes on from there.

use std::io;
use std::net::IpAddr;

use serde_json::{Value, json};
use time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use uuid::Uuid;

use super::decide::{self, Pusher};
use super::find::{Wish, find_app};
use crate::apps;
use crate::audit;
use crate::auth::TooOften;
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::git::{self, Advertised, Greeting, Progress, Push, ReceiveError, Repo};
use crate::model::{Account, Action, Actor, App, AppName, CommitId, Credential, Deed, Door, Outcome, RefName};

/// Somebody who is known, at one of the doors.
#[derive(Debug, Clone)]
pub struct Visitor {
    pub account: Account,
    pub credential: Credential,
    /// [`Door::GitHttp`] or [`Door::GitSsh`]: git speaks slightly differently at each.
    pub door: Door,
    pub address: IpAddr,
    pub request: Uuid,
}

impl Visitor {
    pub(super) fn actor(&self) -> Actor {
        let Self { account, credential, door, address, request } = self;
        Actor {
            door: *door,
            account: Some(account.id),
            credential: credential.clone(),
            address: Some(*address),
            request: *request,
        }
    }
}

/// Most refs of a push that the audit trail names.
const MOST_REFS: usize = 100;

/// What a pusher may push to.
#[derive(Debug)]
pub struct Target {
    pub app: App,
    repo: Repo,
    advertised: Advertised,
}

/// Why there is nothing to push to, in words for the pusher.
#[derive(Debug)]
pub enum Refused {
    /// No such app, or not theirs: the two are not told apart.
    NotFound(String),
    /// The app is theirs to see, but not to push to.
    Forbidden(String),
    /// They have come too often; how long they are to wait.
    TooOften(Duration),
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
pub async fn open(ctx: &Ctx, visitor: &Visitor, app: &str) -> Result<Target, Refused> {
    if ctx.stopping.is_cancelled() {
        return Err(Refused::Unavailable("hoist is being stopped. Please push again in a minute.".into()));
    }
    let app = find_or_create(ctx, visitor, app).await?;
    ctx.rates
        .git(visitor.account.id, app.id, visitor.address, ctx.now())
        .map_err(|TooOften { retry_after }| Refused::TooOften(retry_after))?;
    let unavailable = |error: &(dyn std::error::Error + 'static)| {
        tracing::error!(app.name = %app.name, error, "a repository can't be opened");
        Refused::Unavailable("hoist can't open this app's repository: hoist's fault, not yours. Please try again.".into())
    };
    // What the push is checked against stays until its refs have moved.
    let repo = ctx.repo(app.id).map_err(|error| unavailable(&error))?.hold().await.map_err(|error| unavailable(&error))?;
    let refs = list_refs(ctx, &app).await.map_err(|error| unavailable(&error))?;
    let nonce = ctx.nonces.give(&app.id.to_string(), ctx.now());
    let greeting = match visitor.door {
        Door::GitHttp => Greeting::Http,
        _ => Greeting::Stream,
    };
    Ok(Target { app, repo, advertised: Advertised { refs, nonce, greeting } })
}

async fn list_refs(ctx: &Ctx, app: &App) -> Result<Vec<(RefName, CommitId)>, DbError> {
    db::refs::list(&mut *ctx.db.read().await?, app.id).await
}

async fn find_or_create(ctx: &Ctx, visitor: &Visitor, name: &str) -> Result<App, Refused> {
    let unavailable = |error: &(dyn std::error::Error + 'static)| {
        tracing::error!(error, "an app can't be created");
        Refused::Unavailable("hoist can't create this app: hoist's fault, not yours. Please try again.".into())
    };
    match find_app(ctx, visitor, name, Wish { action: Action::Deploy, deed: ("push", "push") }).await {
        Err(Refused::NotFound(_)) => {}
        found => return found,
    }
    let not_found = || Refused::NotFound(format!("No such app as {}.", name.escape_debug()));
    let Ok(name) = name.parse::<AppName>() else { return Err(not_found()) };
    if !ctx.config.create_on_push {
        return Err(not_found());
    }
    let deed = Deed { action: "create".into(), ..deed("apps", json!({"values": {"name": name.as_str()}})) };
    let begun = audit::begin(&ctx.db, &visitor.actor(), &deed, ctx.now()).await.map_err(|error| unavailable(&error))?;
    let created = apps::create(&ctx.db, &visitor.account, Some(name), &ctx.config.default_stack, ctx.now()).await;
    let outcome = match &created {
        Ok(_) => Outcome::Succeeded,
        Err(apps::AppError::Invalid(_)) => Outcome::Refused("taken".into()),
        Err(apps::AppError::Db(_)) => Outcome::Failed("database".into()),
    };
    audit::end(&ctx.db, begun, &outcome, ctx.now()).await;
    match created {
        Ok(app) => Ok(app),
        // The name is somebody else's: that must look like any app that is not there.
        Err(apps::AppError::Invalid(_)) => Err(not_found()),
        Err(apps::AppError::Db(error)) => Err(unavailable(&error)),
    }
}

/// Writes the ref advertisement.
pub async fn advertise(target: &Target, writer: &mut (impl AsyncWrite + Unpin + Send)) -> io::Result<()> {
    git::advertise(writer, &target.advertised).await
}

/// Reads commands and pack, builds, releases and reports.
pub async fn receive<R, W>(ctx: &Ctx, visitor: &Visitor, target: Target, reader: R, writer: W) -> Result<(), PushError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let Target { app, repo, advertised } = target;
    let pushed_repo = repo.clone();
    let decide = async |push: Push, progress: Progress| {
        let deed = Deed { app: Some(app.id), ..deed("push", describe(&push)) };
        let begun = match audit::begin(&ctx.db, &visitor.actor(), &deed, ctx.now()).await {
            Ok(begun) => begun,
            Err(error) => {
                tracing::error!(app.name = %app.name, error = &error as &dyn std::error::Error, "a push can't be recorded");
                return decide::refuse_all(&push.updates, "hoist can't record this push: hoist's fault, not yours");
            }
        };
        let pusher = Pusher { ctx, account: &visitor.account, app: &app, repo: pushed_repo, progress };
        let statuses = pusher.decide(push).await;
        let refused = statuses.iter().find_map(|status| status.outcome.as_ref().err());
        let outcome = refused.map_or(Outcome::Succeeded, |why| Outcome::Refused(why.clone()));
        audit::end(&ctx.db, begun, &outcome, ctx.now()).await;
        statuses
    };
    git::receive_pack(reader, writer, &repo, &advertised, decide).await?;
    Ok(())
}

/// What somebody hears who has come too often.
#[must_use]
pub fn too_often(wait: Duration) -> String {
    format!("You have made too many git requests for this app. Try again in {} seconds.\n", wait.whole_seconds() + 1)
}

fn deed(kind: &str, data: Value) -> Deed {
    Deed { app: None, kind: kind.into(), action: "push".into(), data }
}

/// Which refs go where, what the push is signed with, and the names of its options: their values may be config vars.
fn describe(push: &Push) -> Value {
    let refs: serde_json::Map<_, _> = push
        .updates
        .iter()
        .take(MOST_REFS)
        .map(|update| (update.name.to_string(), json!(update.new.as_ref().map(ToString::to_string))))
        .collect();
    let options: Vec<_> = push.options.iter().map(|option| option.split('=').next().unwrap_or_default()).collect();
    let mut described = json!({"refs": refs, "fields": options});
    if let Some(certificate) = &push.certificate {
        described["signed_with"] = json!(certificate.fingerprint);
    }
    described
}
