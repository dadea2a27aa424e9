//! Every answer that is not a success: one enum that is also the response. `causes` has all conversions into it.

mod causes;

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::{marks, types};

/// Why a request was not done.
#[derive(Debug)]
pub(super) enum ApiError {
    /// The request can't be read.
    BadRequest(String),
    /// The request can be read, but not what a field says.
    InvalidParams(String),
    Unauthorized(&'static str),
    Forbidden(String),
    /// It takes something away: to be asked again with `confirm`.
    ConfirmationRequired(String),
    /// Names the kind of thing. The same for "no such thing" and "not yours".
    NotFound(&'static str),
    NoRoute,
    /// Something of Heroku's that hoist has not, and why.
    Absent(&'static str),
    /// The client understands nothing that hoist says.
    NotAcceptable,
    /// `If-Match` names something else than what is there.
    PreconditionFailed,
    /// It does not go with what is there.
    Conflict(String),
    TooLarge,
    /// What is streamed has a limit of its own, in bytes.
    LargerThan(u64),
    /// A slug's archive.
    SlugTooLarge(String),
    BadRange(String),
    /// Too many requests.
    RateLimit {
        retry_after: Duration,
    },
    /// Not now.
    Unavailable(String),
    /// hoist's fault. Logged when it is answered, and nowhere else.
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::InvalidParams(_) | Self::ConfirmationRequired(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) | Self::NoRoute | Self::Absent(_) => StatusCode::NOT_FOUND,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge | Self::LargerThan(_) | Self::SlugTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BadRange(_) => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::RateLimit { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn id(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::InvalidParams(_) => "invalid_params",
            Self::Unauthorized(_) => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::ConfirmationRequired(_) => "confirmation_required",
            Self::NotFound(_) | Self::NoRoute | Self::Absent(_) => "not_found",
            Self::NotAcceptable => "not_acceptable",
            Self::PreconditionFailed => "precondition_failed",
            Self::Conflict(_) => "conflict",
            Self::TooLarge | Self::LargerThan(_) | Self::SlugTooLarge(_) => "request_too_large",
            Self::BadRange(_) => "requested_range_not_satisfiable",
            Self::RateLimit { .. } => "rate_limit",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal_server_error",
        }
    }

    fn message(&self, request_id: Uuid) -> String {
        match self {
            Self::BadRequest(text)
            | Self::InvalidParams(text)
            | Self::Forbidden(text)
            | Self::ConfirmationRequired(text)
            | Self::Conflict(text)
            | Self::SlugTooLarge(text)
            | Self::BadRange(text)
            | Self::Unavailable(text) => text.clone(),
            Self::Unauthorized(text) | Self::Absent(text) => (*text).to_owned(),
            Self::NotFound(resource) => format!("Couldn't find that {}.", resource.replace('_', " ")),
            Self::RateLimit { retry_after } => {
                format!("You have made too many requests. Try again in {} seconds.", retry_after.as_secs())
            }
            Self::NotAcceptable => "hoist speaks version 3 of the API, in JSON. Send `Accept: application/vnd.heroku+json; \
                                    version=3`."
                .into(),
            Self::PreconditionFailed => "What is there now is not what If-Match names. Read it again, and repeat the change \
                                         with its new ETag."
                .into(),
            Self::NoRoute => "There is nothing at this address for this method. Check the path and whether it is to be \
                              read (GET), made (POST), changed (PATCH, PUT) or removed (DELETE)."
                .into(),
            Self::LargerThan(bytes) => format!("The request's body is larger than {bytes} bytes."),
            Self::TooLarge => "The request's body is larger than 1 MiB.".into(),
            Self::Internal(_) => {
                format!("This is hoist's fault, not yours. Tell whoever runs this installation the request id {request_id}.")
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let resource = if let Self::NotFound(resource) = self { Some(resource.to_owned()) } else { None };
        let request_id = marks::request_id();
        let body = types::Error { id: self.id().into(), message: self.message(request_id), resource };
        let mut response = (self.status(), Json(body)).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized(_) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"hoist\""));
            }
            Self::RateLimit { retry_after } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs()));
            }
            Self::Internal(error) => tracing::error!(request.id = %request_id, error = &*error, "an API request failed"),
            _ => {}
        }
        response
    }
}
