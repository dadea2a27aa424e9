//! Who one is.

use axum::Json;

use super::error::ApiError;
use super::extract::{Caller, Named};
use super::types;
use crate::model::Account;

/// `GET /account`
pub(super) async fn info(Caller(account): Caller) -> Json<types::Account> {
    Json((&account).into())
}

/// `GET /users/{user}`: oneself only, as `~`, by address or by id.
pub(super) async fn user_info(Caller(account): Caller, Named(user): Named) -> Result<Json<types::Account>, ApiError> {
    oneself(&account, &user)?;
    Ok(Json((&account).into()))
}

/// Refuses a path that names another user than the caller.
pub(super) fn oneself(account: &Account, user: &str) -> Result<(), ApiError> {
    let me = user == "~" || user.eq_ignore_ascii_case(account.email.as_str()) || user == account.id.to_string();
    if me { Ok(()) } else { Err(ApiError::NotFound("user")) }
}
