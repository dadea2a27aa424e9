//! What a forge hears: its list of deliveries shows it to whoever looks why nothing was deployed.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::task::JoinError;

use crate::connections::Heard;
use crate::db::DbError;
use crate::model::Provider;

/// What has become of a delivery, for each connection that it was proved for.
#[derive(Debug)]
pub(super) struct Answer(pub(super) Vec<Heard>);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let outcomes: Vec<_> = self.0.into_iter().map(Heard::words).collect();
        (StatusCode::ACCEPTED, Json(json!({ "outcomes": outcomes }))).into_response()
    }
}

/// Why nothing is done about a delivery. But for the last two, it is for whoever sent it to mend.
#[derive(Debug)]
pub(super) enum Refusal {
    NotConfigured(Provider),
    NoHeader(&'static str),
    Malformed(String),
    /// Nothing is connected to the repository, or the secret is another: the two must not be told apart.
    NotProved,
    TooLarge(usize),
    Slow,
    Busy,
    Db(DbError),
    Broken(JoinError),
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotConfigured(_) => StatusCode::NOT_FOUND,
            Self::NoHeader(_) | Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NotProved => StatusCode::FORBIDDEN,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Db(_) | Self::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn words(&self) -> (&'static str, String) {
        match self {
            Self::NotConfigured(provider) => (
                "not_found",
                format!("This hoist takes no webhooks of {}: its hoist.toml has no section [{provider}].", provider.title()),
            ),
            Self::NoHeader(name) => {
                ("bad_request", format!("The header {name} is missing: is this webhook for another provider?"))
            }
            Self::Malformed(why) => ("bad_request", format!("The payload can't be read: {why}.")),
            Self::NotProved => (
                "forbidden",
                "No app here is connected to this repository with this secret. `hoist github:connect` prints the secret once; \
                 `hoist github:update --new-secret` makes another one."
                    .into(),
            ),
            Self::TooLarge(limit) => ("request_too_large", format!("The payload is larger than {limit} bytes.")),
            Self::Slow => ("request_timeout", "The payload did not arrive in time: deliver it again.".into()),
            Self::Busy => ("unavailable", "hoist is busy with other deliveries: deliver it again.".into()),
            Self::Db(_) | Self::Broken(_) => {
                ("internal_server_error", "This is hoist's fault, not yours: deliver it again.".into())
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match &self {
            Self::Db(error) => tracing::error!(error = error as &dyn std::error::Error, "a delivery can't be taken down"),
            Self::Broken(error) => tracing::error!(%error, "a delivery can't be read"),
            _ => {}
        }
        let (id, message) = self.words();
        (self.status(), Json(json!({ "id": id, "message": message }))).into_response()
    }
}
