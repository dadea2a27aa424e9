//! What may be done with a pipeline's tests. Its owner may do everything; others what they may do in one of its apps at
//! least, because that is whose code is tested, and whose secrets the tests may have.

use super::error::ApiError;
use super::pipelines::{apps_in, find};
use crate::ctx::Ctx;
use crate::model::{Account, Action, Pipeline};

/// Finds a pipeline with which the account may do this.
pub(super) async fn open(ctx: &Ctx, account: &Account, id_or_name: &str, action: Action) -> Result<Pipeline, ApiError> {
    let pipeline = find(&mut *ctx.db.read().await?, account, id_or_name).await?;
    if pipeline.owner == account.id {
        return Ok(pipeline);
    }
    let apps = apps_in(ctx, account, &pipeline.id.to_string()).await?;
    if apps.iter().any(|(_, permissions, _)| permissions.allow(action)) {
        return Ok(pipeline);
    }
    let needed = action.needs().iter().map(|permission| permission.as_str()).collect::<Vec<_>>().join(" or ");
    Err(ApiError::Forbidden(format!(
        "You need the {needed} permission in an app of the pipeline {} for this. The app's owner can give it to you, and so can \
         everybody who has the manage permission: hoist access:update",
        pipeline.name
    )))
}
