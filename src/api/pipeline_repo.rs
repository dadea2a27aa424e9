//! The repository that a pipeline is connected to, as Heroku's clients ask for it (heroku-api 3.10).

use axum::Json;
use axum::extract::State;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::ApiError;
use super::extract::{Caller, Named};
use super::pipelines as api_pipelines;
use super::types::{self, AccountFeature, IdRef, Timestamp, stable_id};
use crate::ctx::Ctx;
use crate::db;
use crate::model::{Connection as Repository, PipelineId};

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
    Ok(Json(describe(&repository, pipeline.id)))
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

fn describe(repository: &Repository, pipeline: PipelineId) -> types::PipelineRepo {
    types::PipelineRepo {
        clone_url: repository.clone_url.clone(),
        created_at: Timestamp(repository.created_at),
        full_name: repository.full_name.to_string(),
        id: number(repository),
        pipeline: IdRef { id: pipeline },
        provider: repository.provider.to_string(),
        updated_at: Timestamp(repository.updated_at),
    }
}

/// A number that stands for a repository where the API has one: hoist knows repositories by name. Small enough for clients whose
/// numbers have 53 bits.
pub(super) fn number(repository: &Repository) -> u64 {
    let name = repository.full_name.as_str().to_ascii_lowercase();
    let id = stable_id(&["repository", repository.provider.as_str(), &name]);
    let id = Uuid::try_parse(&id).expect("it was an id just now");
    u64::from_be_bytes(id.as_bytes()[..8].try_into().expect("an id has sixteen bytes")) >> 11
}
