//! What forges tell: `POST /github/webhook`, `/gitlab/webhook`, `/gitea/webhook`, `/forgejo/webhook`.
//!
//! In reading order: `delivery` takes a request apart, `signature` proves it, `hub` reads what GitHub, Gitea and Forgejo tell and
//! `gitlab` what GitLab does, both into [`crate::model::Delivered`]; `answer` is what the forge hears. What is to be done is
//! taken down by [`crate::connections::hear`], and done by the spine: no forge waits for it.
//!
//! Nothing in a delivery is believed before it is proved with the secret of a connection to the repository that it names. A
//! repository that nothing is connected to is answered like one whose secret is wrong.

mod answer;
mod delivery;
mod gitlab;
mod hub;
mod signature;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::post;
use tokio::sync::Semaphore;

use self::answer::{Answer, Refusal};
use self::delivery::{Delivery, Told};
use crate::auth::{self, AccessError};
use crate::connections::{Heard, Incoming, Rights, Signer, hear};
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::model::{Action, Connected, Connection, NamedRepository, Provider, Secret};

/// How much of deliveries may be in memory at once, in bytes: eight of the largest that GitHub makes. Who sends slowly takes only
/// what has come.
const MAX_BYTES_AT_ONCE: usize = 8 * delivery::MAX_BYTES;

/// What the handlers share.
#[derive(Clone)]
struct Door {
    ctx: Ctx,
    /// One permit for each byte.
    room: Arc<Semaphore>,
}

/// The routes.
pub fn routes(ctx: Ctx) -> Router {
    let door = Door { ctx, room: Arc::new(Semaphore::new(MAX_BYTES_AT_ONCE)) };
    let add = |router: Router<Door>, provider: Provider| {
        let receive = move |State(door): State<Door>, request: Request| async move { receive(&door, provider, request).await };
        router.route(&format!("/{provider}/webhook"), post(receive))
    };
    Provider::ALL.into_iter().fold(Router::new(), add).with_state(door)
}

async fn receive(door: &Door, provider: Provider, request: Request) -> Result<Answer, Refusal> {
    let ctx = &door.ctx;
    if !ctx.providers.knows(provider) {
        return Err(Refusal::NotConfigured(provider));
    }
    let delivery = Arc::new(Delivery::read(provider, request, Arc::clone(&door.room)).await?);
    let told = delivery.parse().await?;
    let mut heard = Vec::new();
    for (candidate, signer) in &prove(ctx, &delivery, &told).await? {
        heard.push(take_down(ctx, (candidate, *signer), &delivery, &told).await?);
    }
    Ok(Answer(heard))
}

/// The connections that a delivery is proved for: those to its repositories whose own secret it is signed with; or those that the
/// GitHub App acts for, if it is signed with the App's, because then GitHub itself says so. What tells of the App itself names any
/// number of repositories, none of which is looked for before.
async fn prove(ctx: &Ctx, delivery: &Arc<Delivery>, told: &Told) -> Result<Vec<(Candidate, Signer)>, Refusal> {
    let app_secret = ctx.config.github.as_ref().and_then(|github| github.webhook_secret.clone());
    let app_secret = app_secret.filter(|_| delivery.provider == Provider::GitHub);
    if delivery.is_of_the_app() {
        delivery.prove(Vec::new(), app_secret.clone()).await?;
    }
    let mut candidates = Vec::new();
    let mut db = ctx.db.read().await?;
    for repository in &told.repositories {
        for (connection, known_id) in db::connections::by_repository(&mut db, delivery.provider, repository).await? {
            if let Some(secrets) = db::connections::secrets(&mut db, ctx.db.cipher(), connection.id).await? {
                let (webhook_secret, repository) = (secrets.webhook_secret, repository.clone());
                candidates.push(Candidate { connection, known_id, repository, webhook_secret });
            }
        }
    }
    drop(db);
    delivery.prove(candidates, app_secret).await
}

async fn take_down(
    ctx: &Ctx,
    (candidate, signer): (&Candidate, Signer),
    delivery: &Delivery,
    told: &Told,
) -> Result<Heard, Refusal> {
    let Candidate { connection, repository, .. } = candidate;
    let rights = rights(ctx, connection).await?;
    let incoming = Incoming { id: &delivery.id, signer, repository, told: &told.delivered };
    let heard = hear(&ctx.db, connection, &incoming, rights, ctx.now()).await?;
    tracing::info!(
        connection.id = %connection.id,
        delivery = %delivery.id,
        "{} told of {}: {}",
        delivery.provider.title(),
        told.delivered.as_str(),
        heard.words()
    );
    Ok(heard)
}

/// What the account in whose name the connection's builds are made may do now.
async fn rights(ctx: &Ctx, connection: &Connection) -> Result<Rights, DbError> {
    let app = match connection.of {
        Connected::App(app) => app,
        Connected::Pipeline(pipeline) => {
            let pipeline = db::pipelines::get(&mut *ctx.db.read().await?, pipeline).await?;
            let Some(pipeline) = pipeline else { return Ok(Rights::MayNot) };
            let may = auth::may_in_pipeline(&ctx.db, connection.by, &pipeline, Action::Deploy).await?;
            return Ok(if may { Rights::MayDeploy } else { Rights::MayNot });
        }
    };
    match auth::open_app(&ctx.db, connection.by, &app.to_string(), Action::Deploy).await {
        Ok(_) => Ok(Rights::MayDeploy),
        Err(AccessError::NoSuchApp | AccessError::Denied(_)) => Ok(Rights::MayNot),
        Err(AccessError::Db(error)) => Err(error),
    }
}

/// A connection that a delivery may be for.
struct Candidate {
    connection: Connection,
    /// The forge's number of its repository, if it was heard of.
    known_id: Option<i64>,
    /// As the delivery names it.
    repository: NamedRepository,
    webhook_secret: Secret,
}

impl Candidate {
    /// Whether what the GitHub App hears of this repository is for the connection: under the name of one that was renamed there
    /// may be another by now.
    fn is_the_apps(&self) -> bool {
        self.connection.is_proved && self.known_id.zip(self.repository.id).is_none_or(|(known, told)| known == told)
    }
}
