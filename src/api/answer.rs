//! Answers that say more than `200 OK`.

use axum::Json;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// `201 Created`, with what was made.
#[derive(Debug)]
pub(super) struct Created<T>(pub(super) T);

/// `202 Accepted`: it is being done.
#[derive(Debug)]
pub(super) struct Accepted<T>(pub(super) T);

/// An answer with a header of its own.
#[derive(Debug)]
pub(super) struct Headed<T> {
    pub(super) body: T,
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

/// JSON that is kept as it is to be sent.
#[derive(Debug)]
pub(super) struct Document(pub(super) Vec<u8>);

impl<T> Headed<T> {
    /// With a warning, which the Heroku CLI shows (heroku-api 2.2).
    pub(super) fn warning(body: T, text: &'static str) -> Self {
        Self { body, name: HeaderName::from_static("x-heroku-warning"), value: HeaderValue::from_static(text) }
    }
}

impl<T: IntoResponse> IntoResponse for Headed<T> {
    fn into_response(self) -> Response {
        ([(self.name, self.value)], self.body).into_response()
    }
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json")], self.0).into_response()
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
