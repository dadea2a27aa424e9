//! The stacks that apps can be built on.

use axum::Json;
use axum::extract::State;
use time::OffsetDateTime;

use super::error::ApiError;
use super::extract::{Caller, InApp, Named, See};
use super::range::{Page, Range};
use super::types::{Stack, Timestamp, stable_id};
use crate::ctx::Ctx;
use crate::model::StackName;
use crate::stack;

/// `GET /stacks`
pub(super) async fn list(State(ctx): State<Ctx>, _: Caller, range: Range) -> Result<Page<Stack>, ApiError> {
    let stacks = available(&ctx).iter().map(|name| describe(&ctx, name)).collect();
    range.cut(stacks, &[("name", |stack| stack.name.clone()), ("id", |stack| stack.id.clone())])
}

/// `GET /apps/{app}/available-stacks`: the same for every app.
pub(super) async fn list_of_app(state: State<Ctx>, at: InApp<See>, range: Range) -> Result<Page<Stack>, ApiError> {
    list(state, Caller(at.by), range).await
}

/// `GET /stacks/{stack}`, by name or id.
pub(super) async fn info(State(ctx): State<Ctx>, _: Caller, Named(stack): Named) -> Result<Json<Stack>, ApiError> {
    let name = find(&ctx, &stack).ok_or(ApiError::NotFound("stack"))?;
    Ok(Json(describe(&ctx, &name)))
}

/// Finds a stack by name or id.
pub(super) fn find(ctx: &Ctx, name_or_id: &str) -> Option<StackName> {
    available(ctx).into_iter().find(|name| name.as_str() == name_or_id || id(name) == name_or_id)
}

/// What a request that names another stack is told.
pub(super) fn unknown(name: &str) -> ApiError {
    ApiError::InvalidParams(format!("There is no stack `{}` here. `hoist stacks` lists those there are.", name.escape_debug()))
}

/// The stacks that have been built here, and `container`, which needs no building. The default one is always among them: apps
/// get it, and their first build says what is to be done.
fn available(ctx: &Ctx) -> Vec<StackName> {
    let built = stack::list(&ctx.config.stacks_dir).unwrap_or_else(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "the stacks can't be listed");
        Vec::new()
    });
    let mut names: Vec<_> =
        built.into_iter().map(|stack| stack.name).chain([ctx.config.default_stack.clone(), StackName::container()]).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn describe(ctx: &Ctx, name: &StackName) -> Stack {
    // When a stack came to be is nowhere written down; its digest, which releases record, says more.
    let created_at = Timestamp(OffsetDateTime::UNIX_EPOCH);
    Stack {
        created_at,
        default: *name == ctx.config.default_stack,
        id: id(name),
        name: name.to_string(),
        state: "public".into(),
        updated_at: created_at,
    }
}

fn id(name: &StackName) -> String {
    stable_id(&["stack", name.as_str()])
}
