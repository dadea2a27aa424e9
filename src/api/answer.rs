//! Answers that say more than `200 OK`.

use axum::Json;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// `201 Created`, with what was made.
#[derive(Debug)]
pub(super) struct Created<T>(pub(super) T);

/// `202 Accepted`: it is being done.
#[derive(Debug)]
pub(super) struct Accepted<T>(pub(super) T);

/// An answer with a warning, which the Heroku CLI shows (heroku-api 2.2).
#[derive(Debug)]
pub(super) struct Warned<T>(pub(super) T, pub(super) &'static str);

const WARNING: HeaderName = HeaderName::from_static("x-heroku-warning");

impl<T: IntoResponse> IntoResponse for Warned<T> {
    fn into_response(self) -> Response {
        ([(WARNING, self.1)], self.0).into_response()
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(self.0)).into_response()
    }
}
