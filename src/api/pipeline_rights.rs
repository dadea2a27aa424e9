//! What may be done with a pipeline's tests. Its owner may do everything; others what they may do in an app of that owner's,
//! because that is whose code is tested, and whose secrets the tests may have. An app of somebody else's does not count: who
//! sees a pipeline can put one of their own into it.

use super::error::ApiError;
use super::pipelines::{apps_in, find};
use crate::ctx::Ctx;
use crate::model::{Account, Action, App, Coupling, Permissions, Pipeline};

/// Finds a pipeline with which the account may do this.
pub(super) async fn open(ctx: &Ctx, account: &Account, id_or_name: &str, action: Action) -> Result<Pipeline, ApiError> {
    let pipeline = find(&mut *ctx.db.read().await?, account, id_or_name).await?;
    let apps = apps_in(ctx, account, &pipeline.id.to_string()).await?;
    let may = |(app, permissions, _): &(App, Permissions, Coupling)| app.owner == pipeline.owner && permissions.allow(action);
    if pipeline.owner == account.id || apps.iter().any(may) {
        return Ok(pipeline);
    }
    let needs = action.needs().iter().map(|permission| permission.as_str()).collect::<Vec<_>>().join(" or ");
    Err(ApiError::Forbidden(format!(
        "You need the {needs} permission for this in an app of {} that belongs to the pipeline's owner, who can give it to you: \
         hoist access:update.",
        pipeline.name
    )))
}
