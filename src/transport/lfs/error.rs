//! Every answer that is not a success: Git LFS's statuses and JSON, with words that its client shows to its user.

use std::error::Error;
use std::io;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::locks::lock_json;
use super::{BatchError, answer};
use crate::auth::TooOften;
use crate::db::DbError;
use crate::lfs::{KeepError, Lock, LockError};
use crate::model::{Digest, RequestId};
use crate::store::UploadError;
use crate::transport::push::Refused;

/// Git LFS's own name for it, which makes no browser ask.
const LFS_AUTHENTICATE: &str = "lfs-authenticate";
const REALM: HeaderValue = HeaderValue::from_static("Basic realm=\"hoist\"");

/// Each with the words that a user reads.
#[derive(Debug, thiserror::Error)]
pub(super) enum LfsError {
    #[error("hoist doesn't know you. The password is your hoist API token; the user name can be anything.")]
    Unauthorized,
    #[error("This was given out too long ago. Run the command again.")]
    Expired,
    /// Also an API token where only a grant will do.
    #[error("This address takes what the server has given out for it, and nothing else. Run the command again.")]
    OtherGrant,
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    NotFound(String),
    #[error("There is nothing of this kind in a server of Git LFS.")]
    NoRoute,
    #[error("The app has no object {}.", .0.hex())]
    NoSuchObject(Digest),
    #[error("The answer is application/vnd.git-lfs+json, which your client does not accept.")]
    NotAcceptable,
    #[error("The request is too large. Ask for less at once: git config lfs.transfer.batchSize 100")]
    BodyTooLarge,
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error("You have made too many git requests for this app. Try again in {} s.", .0.retry_after.whole_seconds() + 1)]
    TooOften(TooOften),
    #[error("The object has {size_bytes} bytes.")]
    RangeNotSatisfiable { size_bytes: u64 },
    #[error("Nothing came for too long. Run the command again.")]
    Stalled,
    /// The client has gone; nobody reads this.
    #[error("The connection broke.")]
    Cut,
    #[error("{} is locked by {}.", .0.path, .0.email)]
    Locked(Box<Lock>),
    #[error("hoist's disk is full. It is not your fault; tell your administrator, and push again.")]
    Full,
    #[error("{0}")]
    Unavailable(String),
    #[error("Internal server error. It is hoist's fault, not yours. Please try again.")]
    Internal,
}

impl LfsError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized | Self::Expired => StatusCode::UNAUTHORIZED,
            Self::OtherGrant | Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) | Self::NoRoute | Self::NoSuchObject(_) => StatusCode::NOT_FOUND,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::Locked(_) | Self::Batch(BatchError::HashAlgorithm) => StatusCode::CONFLICT,
            Self::BodyTooLarge | Self::Batch(BatchError::TooMany) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Invalid(_) | Self::Batch(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::RangeNotSatisfiable { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::Cut => StatusCode::BAD_REQUEST,
            Self::Full => StatusCode::INSUFFICIENT_STORAGE,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::Unauthorized | Self::Expired => {
                headers.insert(LFS_AUTHENTICATE, REALM);
                headers.insert(header::WWW_AUTHENTICATE, REALM);
            }
            Self::TooOften(TooOften { retry_after }) => {
                headers.insert(header::RETRY_AFTER, (retry_after.whole_seconds() + 1).into());
            }
            Self::RangeNotSatisfiable { size_bytes } => {
                let told = format!("bytes */{size_bytes}");
                headers.insert(header::CONTENT_RANGE, told.try_into().expect("numbers are ASCII"));
            }
            _ => {}
        }
        headers
    }

    fn body(&self) -> Value {
        let mut body = json!({"message": self.to_string()});
        if let Self::Locked(lock) = self {
            body["lock"] = lock_json(lock);
        }
        body
    }
}

/// What an answer says, to which its request's id is still to be added.
#[derive(Clone)]
struct Told(Value);

impl IntoResponse for LfsError {
    fn into_response(self) -> Response {
        let body = self.body();
        let mut response = (self.headers(), answer(self.status(), &body)).into_response();
        response.extensions_mut().insert(Told(body));
        response
    }
}

/// Has each refusal name its request, which a user can quote to the operator.
pub(super) async fn with_request_id(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().copied();
    let mut response = next.run(request).await;
    if let (Some(RequestId(id)), Some(Told(mut body))) = (id, response.extensions_mut().remove()) {
        body["request_id"] = id.to_string().into();
        *response.body_mut() = body.to_string().into();
    }
    response
}

fn internal(error: &(dyn Error + 'static), what: &str) -> LfsError {
    tracing::error!(error, "{what}");
    LfsError::Internal
}

impl From<DbError> for LfsError {
    fn from(error: DbError) -> Self {
        internal(&error, "the database failed")
    }
}

impl From<io::Error> for LfsError {
    fn from(error: io::Error) -> Self {
        let answer = internal(&error, "the blob store failed");
        if error.kind() == io::ErrorKind::StorageFull { Self::Full } else { answer }
    }
}

impl From<Refused> for LfsError {
    fn from(why: Refused) -> Self {
        match why {
            Refused::NotFound(text) => Self::NotFound(text),
            Refused::Forbidden(text) => Self::Forbidden(text),
            Refused::TooOften(retry_after) => Self::TooOften(TooOften { retry_after }),
            Refused::Unavailable(text) => Self::Unavailable(text),
        }
    }
}

impl From<KeepError> for LfsError {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Upload(error) => error.into(),
            KeepError::NoApp => Self::NotFound("The app was destroyed meanwhile.".into()),
            KeepError::Db(error) => error.into(),
        }
    }
}

impl From<UploadError> for LfsError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::OtherDigest(found) => Self::Invalid(format!("The bytes that came have the sha256 {}.", found.hex())),
            UploadError::TooLarge { limit_bytes } => Self::Invalid(format!("More than the object's {limit_bytes} bytes came.")),
            UploadError::TooShort { size_bytes } => Self::Invalid(format!("Only {size_bytes} bytes of the object came.")),
            UploadError::Stalled(_) => Self::Stalled,
            UploadError::Cut(_) | UploadError::TakenOver => Self::Cut,
            UploadError::Io(error) => error.into(),
        }
    }
}

impl From<LockError> for LfsError {
    fn from(error: LockError) -> Self {
        let words = format!("{error}.");
        match error {
            LockError::Locked(lock) => Self::Locked(lock),
            LockError::TooMany => Self::Invalid(words),
            LockError::NoSuchLock => Self::NotFound(words),
            LockError::Foreign(_) => Self::Forbidden(words),
            LockError::Db(error) => error.into(),
        }
    }
}
