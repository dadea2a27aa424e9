//! What may be done with what a pipeline's apps have in common; [`auth::may_in_pipeline`] is the rule.

use super::error::ApiError;
use super::pipelines::find;
use crate::auth;
use crate::ctx::Ctx;
use crate::model::{Account, Action, Pipeline};

/// Finds a pipeline with which the account may do this.
pub(super) async fn open(ctx: &Ctx, account: &Account, id_or_name: &str, action: Action) -> Result<Pipeline, ApiError> {
    let pipeline = find(&mut *ctx.db.read().await?, account, id_or_name).await?;
    if auth::may_in_pipeline(&ctx.db, account.id, &pipeline, action).await? {
        return Ok(pipeline);
    }
    let needs = action.needs().iter().map(|permission| permission.as_str()).collect::<Vec<_>>().join(" or ");
    Err(ApiError::Forbidden(format!(
        "You need the {needs} permission for this in an app of {} that belongs to the pipeline's owner and is not a review app. \
         The owner can give it to you: hoist access:update.",
        pipeline.name
    )))
}
