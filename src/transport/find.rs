//! From an app's name to the app, for somebody who may do there what they came for.

use serde_json::json;

use super::push::{Refused, Visitor};
use crate::audit;
use crate::auth::{self, AccessError};
use crate::ctx::Ctx;
use crate::model::{Action, App, Deed};

/// What somebody has come for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub action: Action,
    /// How the audit trail names it, should they have no right to it: a kind of thing, and what is done with it.
    pub deed: (&'static str, &'static str),
}

/// Finds an app and checks that the visitor may do there what they wish. A refusal for want of rights is recorded.
pub(super) async fn find_app(ctx: &Ctx, visitor: &Visitor, name: &str, wish: Wish) -> Result<App, Refused> {
    if ctx.stopping.is_cancelled() {
        return Err(Refused::Unavailable("hoist is being stopped. Please try again in a minute.".into()));
    }
    let unavailable = |error: &(dyn std::error::Error + 'static)| {
        tracing::error!(error, "an app can't be looked up");
        Refused::Unavailable("hoist can't look up this app: hoist's fault, not yours. Please try again.".into())
    };
    let denied = match auth::open_app(&ctx.db, visitor.account.id, name, wish.action).await {
        Ok((app, _)) => return Ok(app),
        Err(AccessError::NoSuchApp) => return Err(Refused::NotFound(format!("No such app as {}.", name.escape_debug()))),
        Err(AccessError::Db(error)) => return Err(unavailable(&error)),
        Err(AccessError::Denied(denied)) => denied,
    };
    let app = auth::find_app(&ctx.db, visitor.account.id, name).await.map_err(|error| unavailable(&error))?;
    let (kind, action) = wish.deed;
    let (kind, action, data) = (kind.into(), action.into(), json!({"values": {"app": name}}));
    let deed = Deed { app: app.map(|(app, _)| app.id), kind, action, data };
    let recorded = audit::refused(&ctx.db, &visitor.actor(), &deed, "permission".into(), ctx.now()).await;
    recorded.map_err(|error| unavailable(&error))?;
    Err(Refused::Forbidden(format!("{denied}.")))
}
