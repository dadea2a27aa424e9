//! The repository that a pipeline is connected to, as Heroku's clients ask for it (heroku-api 3.10).

use axum::Json;
use axum::extract::State;
use time::OffsetDateTime;
use uuid::Uuid;

use super::answer::{Created, Headed};
use super::connection_fields::check_new;
use super::connections::with_secret;
use super::error::ApiError;
use super::extract::{Body, Caller, Named, Names};
use super::types::{self, AccountFeature, IdRef, RepoBranch, RepoCommit, Timestamp, stable_id};
use super::urls::Urls;
use super::{pipeline_rights, pipelines as api_pipelines};
use crate::connections::{ConnectError, connect, disconnect};
use crate::ctx::Ctx;
use crate::model::{Action, BranchName, Connected, Connection as Repository, PipelineId, public_deploy_key};
use crate::{db, deploy};

/// What the Heroku CLI asks for before it looks for a pipeline's repository here rather than at a service of Heroku's own.
pub(super) const FEATURE: &str = "dashboard-repositories-api";

/// `GET /pipelines/{pipeline}/repo`
pub(super) async fn info(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(pipeline): Named,
) -> Result<Json<types::PipelineRepo>, ApiError> {
    let mut db = ctx.db.read().await?;
    let pipeline = api_pipelines::find(&mut db, &account, &pipeline).await?;
    let repository = db::connections::of_pipeline(&mut db, pipeline.id).await?.ok_or(ApiError::NotFound("repo"))?;
    drop(db);
    Ok(Json(describe(&ctx, &repository, pipeline.id).await?))
}

/// `POST /pipelines/{pipeline}/repo`: connects it. The answer's header has the webhook's secret, which is not shown again.
pub(super) async fn create(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(pipeline): Named,
    Body(new): Body<types::NewConnection>,
) -> Result<Headed<Created<types::PipelineRepo>>, ApiError> {
    let pipeline = pipeline_rights::open(&ctx, &account, &pipeline, Action::Configure).await?;
    let new = check_new(&ctx, new).await?;
    let (repository, secret) = connect(&ctx.db, Connected::Pipeline(pipeline.id), account.id, new, ctx.now()).await?;
    Ok(with_secret(Created(describe(&ctx, &repository, pipeline.id).await?), &secret))
}

/// `DELETE /pipelines/{pipeline}/repo`: disconnects it. Its review apps stay.
pub(super) async fn destroy(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Named(pipeline): Named,
) -> Result<Json<types::PipelineRepo>, ApiError> {
    let pipeline = pipeline_rights::open(&ctx, &account, &pipeline, Action::Configure).await?;
    let repository = disconnect(&ctx.db, Connected::Pipeline(pipeline.id)).await.map_err(|error| match error {
        ConnectError::NotConnected => ApiError::NotFound("repo"),
        error => error.into(),
    })?;
    Ok(Json(describe(&ctx, &repository, pipeline.id).await?))
}

/// `GET /pipelines/{pipeline}/repo/branches/{branch}`, as it is at the forge now.
pub(super) async fn branch(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Names([pipeline, branch]): Names<2>,
) -> Result<Json<RepoBranch>, ApiError> {
    let missing = || ApiError::NotFound("branch");
    let branch: BranchName = branch.parse().map_err(|_| missing())?;
    let pipeline = pipeline_rights::open(&ctx, &account, &pipeline, Action::Deploy).await?;
    let commit = deploy::find_branch(&ctx, pipeline.id, &branch).await?.ok_or_else(missing)?;
    Ok(Json(RepoBranch { commit: RepoCommit { sha: commit.to_string() }, name: branch.to_string() }))
}

/// `GET /account/features/dashboard-repositories-api`: it is on.
pub(super) async fn feature(_: Caller) -> Json<AccountFeature> {
    // It has always been there.
    let at = Timestamp(OffsetDateTime::UNIX_EPOCH);
    Json(AccountFeature {
        created_at: at,
        description: "The repositories that pipelines are connected to are known here.".into(),
        display_name: None,
        doc_url: String::new(),
        enabled: true,
        feedback_email: None,
        id: stable_id(&["feature", FEATURE]),
        name: FEATURE.into(),
        state: "general".into(),
        updated_at: at,
    })
}

async fn describe(ctx: &Ctx, repository: &Repository, pipeline: PipelineId) -> Result<types::PipelineRepo, ApiError> {
    let secrets = db::connections::secrets(&mut *ctx.db.read().await?, ctx.db.cipher(), repository.id).await?;
    let deploy_key = secrets.and_then(|secrets| secrets.deploy_key);
    Ok(types::PipelineRepo {
        clone_url: repository.clone_url.clone(),
        created_at: Timestamp(repository.created_at),
        deploy_public_key: deploy_key.as_ref().map(public_deploy_key).transpose()?,
        full_name: repository.full_name.to_string(),
        id: number(repository),
        pipeline: IdRef { id: pipeline },
        provider: repository.provider.to_string(),
        updated_at: Timestamp(repository.updated_at),
        webhook_url: Urls::new(ctx).webhook(repository.provider),
    })
}

/// A number that stands for a repository where the API has one: hoist knows repositories by name. Small enough for clients whose
/// numbers have 53 bits.
pub(super) fn number(repository: &Repository) -> u64 {
    let name = repository.full_name.as_str().to_ascii_lowercase();
    let id = stable_id(&["repository", repository.provider.as_str(), &name]);
    let id = Uuid::try_parse(&id).expect("it was an id just now");
    u64::from_be_bytes(id.as_bytes()[..8].try_into().expect("an id has sixteen bytes")) >> 11
}
