//! Locks, of which Git LFS's client asks before each push. Source: `docs/api/locking.md`.

use std::collections::HashMap;

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::caller::Caller;
use super::error::LfsError;
use super::{answer, check_accept, read_question};
use crate::audit;
use crate::ctx::Ctx;
use crate::lfs::{self, Lock, LockError, Page, Unlock, WantedLocks};
use crate::model::{App, Deed, Invalid, LfsLockId, LfsOperation, LockPath, Outcome};

#[derive(Deserialize)]
struct NewLock {
    path: String,
}

#[derive(Deserialize)]
struct Verification {
    cursor: Option<String>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
struct Unlocking {
    force: Option<bool>,
}

/// `POST /locks`.
pub(super) async fn create(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(repo): Path<String>,
    request: Request,
) -> Result<Response, LfsError> {
    let NewLock { path } = read_json(request).await?;
    let path: LockPath = path.parse().map_err(|Invalid(why)| LfsError::Invalid(why))?;
    let app = caller.open(&ctx, &repo, LfsOperation::Upload).await?;
    let values = json!({"path": path.as_str()});
    let locking = lfs::lock(&ctx.db, app.id, &path, caller.visitor.account.id, ctx.now());
    let lock = audited(&ctx, &caller, &app, ("create", values), locking).await?;
    Ok(answer(StatusCode::CREATED, &json!({"lock": lock_json(&lock)})))
}

/// `GET /locks`.
pub(super) async fn list(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(repo): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, LfsError> {
    check_accept(&headers)?;
    let app = caller.open(&ctx, &repo, LfsOperation::Download).await?;
    let asked = |name: &str| query.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let limit = asked("limit").map(str::parse).transpose();
    let limit = limit.map_err(|_| LfsError::Invalid("`limit` is no number of locks.".into()))?;
    let Ok(id) = asked("id").map(str::parse::<LfsLockId>).transpose() else {
        // None has it.
        return Ok(answer(StatusCode::OK, &json!({"locks": []})));
    };
    let wanted = WantedLocks { id, path: asked("path"), behind: asked("cursor") };
    let Page { locks, next } = lfs::list_locks(&ctx.db, app.id, &wanted, limit).await?;
    let locks: Vec<_> = locks.iter().map(lock_json).collect();
    Ok(answer(StatusCode::OK, &with_next(json!({"locks": locks}), next)))
}

/// `POST /locks/verify`: which are whose, for somebody who is about to push.
pub(super) async fn verify(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(repo): Path<String>,
    request: Request,
) -> Result<Response, LfsError> {
    let Verification { cursor, limit } = read_json(request).await?;
    let app = caller.open(&ctx, &repo, LfsOperation::Upload).await?;
    let wanted = WantedLocks { behind: cursor.as_deref().filter(|cursor| !cursor.is_empty()), ..WantedLocks::default() };
    // Git LFS's client says 0 for no limit.
    let Page { locks, next } = lfs::list_locks(&ctx.db, app.id, &wanted, limit.filter(|limit| *limit > 0)).await?;
    let (ours, theirs): (Vec<_>, Vec<_>) = locks.iter().partition(|lock| lock.owner == caller.visitor.account.id);
    let list = |locks: Vec<&Lock>| locks.into_iter().map(lock_json).collect::<Vec<_>>();
    Ok(answer(StatusCode::OK, &with_next(json!({"ours": list(ours), "theirs": list(theirs)}), next)))
}

/// `POST /locks/ID/unlock`. Who may push may take anybody's lock away, if they say that they want just that.
pub(super) async fn unlock(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((repo, id)): Path<(String, String)>,
    request: Request,
) -> Result<Response, LfsError> {
    let Unlocking { force } = read_json(request).await?;
    let app = caller.open(&ctx, &repo, LfsOperation::Upload).await?;
    let id: LfsLockId = id.parse().map_err(|_| LfsError::from(LockError::NoSuchLock))?;
    let whose = if force == Some(true) { Unlock::Anybodys } else { Unlock::Own };
    let values = json!({"id": id, "force": force == Some(true)});
    let unlocking = lfs::unlock(&ctx.db, app.id, id, caller.visitor.account.id, whose);
    let lock = audited(&ctx, &caller, &app, ("destroy", values), unlocking).await?;
    Ok(answer(StatusCode::OK, &json!({"lock": lock_json(&lock)})))
}

/// Records a change before and after it is made.
async fn audited(
    ctx: &Ctx,
    caller: &Caller,
    app: &App,
    (action, values): (&str, Value),
    change: impl Future<Output = Result<Lock, LockError>>,
) -> Result<Lock, LfsError> {
    let deed = Deed { app: Some(app.id), kind: "lfs-locks".into(), action: action.into(), data: json!({"values": values}) };
    let begun = audit::begin(&ctx.db, &caller.visitor.actor(), &deed, ctx.now()).await?;
    let changed = change.await;
    let outcome = match &changed {
        Ok(_) => Outcome::Succeeded,
        Err(LockError::Db(_)) => Outcome::Failed("database".into()),
        Err(_) => Outcome::Refused("locks".into()),
    };
    audit::end(&ctx.db, begun, &outcome, ctx.now()).await;
    Ok(changed?)
}

async fn read_json<T: DeserializeOwned>(request: Request) -> Result<T, LfsError> {
    let (parts, body) = request.into_parts();
    let body = read_question(&parts.headers, body).await?;
    serde_json::from_slice(&body)
        .map_err(|error| LfsError::Invalid(format!("The request is wrong at line {}, column {}.", error.line(), error.column())))
}

pub(super) fn lock_json(lock: &Lock) -> Value {
    let locked_at = lock.locked_at.replace_nanosecond(0).unwrap_or(lock.locked_at).format(&Rfc3339).unwrap_or_default();
    json!({"id": lock.id, "path": lock.path.as_str(), "locked_at": locked_at, "owner": {"name": lock.email.as_str()}})
}

fn with_next(mut page: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        page["next_cursor"] = next.into();
    }
    page
}
