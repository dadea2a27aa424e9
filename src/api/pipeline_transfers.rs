//! Handing pipelines over.

use axum::extract::State;

use super::account;
use super::answer::{Created, Headed};
use super::error::ApiError;
use super::extract::{Body, Caller};
use super::pipelines::{find, owner, owner_only};
use super::types::{IdRef, NewPipelineTransfer, PipelineTransfer};
use crate::ctx::Ctx;
use crate::pipelines;

/// `heroku pipelines:transfer` says that the apps go with the pipeline.
const APPS_STAY: &str = "The apps in the pipeline stay with their owners, who can let others work on them with access:add.";

/// `POST /pipeline-transfers`: by its owner, to somebody whom the owner works with. Done when it is answered.
pub(super) async fn create(
    State(ctx): State<Ctx>,
    Caller(account): Caller,
    Body(new): Body<NewPipelineTransfer>,
) -> Result<Headed<Created<PipelineTransfer>>, ApiError> {
    if new.new_owner.kind != "user" {
        return Err(ApiError::InvalidParams("A pipeline here is owned by a user; there are no teams.".into()));
    }
    let pipeline = find(&mut *ctx.db.read().await?, &account, &new.pipeline.id).await?;
    owner_only(&pipeline, &account)?;
    let new_owner = account::known_to(&ctx, &account, &new.new_owner.id).await?;
    pipelines::transfer(&ctx.db, &pipeline, &new_owner, ctx.now()).await?;
    let transfer = PipelineTransfer {
        pipeline: IdRef { id: pipeline.id },
        previous_owner: owner(pipeline.owner),
        new_owner: owner(new_owner.id),
    };
    Ok(Headed::warning(Created(transfer), APPS_STAY))
}
