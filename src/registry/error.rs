//! Every answer that is not a success: the specification's codes, in its JSON, with words that a client shows to its user.

use std::error::Error;

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::challenge::Challenge;
use crate::auth::TooOften;
use crate::db::DbError;
use crate::deploy::SlugImageError;
use crate::image::{ImageError, PutError};
use crate::model::{BlobUploadId, Digest, ImageManifest, Invalid, Reference, Repository, StackName};
use crate::store::UploadError;

/// Where an upload is, which a client needs to go on.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) repository: Repository,
    pub(super) id: BlobUploadId,
    pub(super) size_bytes: u64,
}

/// Each with the words that a user reads.
#[derive(Debug, thiserror::Error)]
pub(super) enum RegistryError {
    /// Nobody is known to ask.
    #[error("Log in with any user name and your hoist API token as the password: docker login")]
    Unauthorized(Box<Challenge>),
    /// A token of the token service that was given for something else.
    #[error("requested access to the resource is denied: the token was not given for this")]
    Insufficient(Box<Challenge>),
    #[error("Too many requests to the registry. Try again in {} s.", .0.retry_after.whole_seconds() + 1)]
    TooOften(TooOften),
    #[error("requested access to the resource is denied: {0}")]
    Denied(String),
    #[error("{0}")]
    NoSuchRepository(String),
    #[error("The repository has no blob {0}.")]
    BlobUnknown(Digest),
    #[error("There is no such upload: it has ended, or nothing came for too long. Push again.")]
    UploadUnknown,
    #[error("The repository has no manifest {0}.")]
    ManifestUnknown(Reference),
    #[error("{0}")]
    DigestInvalid(String),
    /// Or its tag.
    #[error("{0}")]
    ManifestInvalid(Invalid),
    #[error("A manifest has at most {} bytes.", ImageManifest::MAX_BYTES)]
    ManifestTooLarge,
    #[error("The repository has not all that the manifest is made of. Push or mount first: {}", list(.0))]
    ManifestBlobUnknown(Vec<Digest>),
    #[error("{0}")]
    UploadInvalid(String),
    #[error("The next chunk begins with byte {}.", .0.size_bytes)]
    OutOfOrder(Standing),
    #[error(
        "A layer has at most {limit_bytes} bytes here. Make it smaller, or ask your administrator to raise `image_blob_bytes` \
         in the [limits] of hoist.toml."
    )]
    BlobTooLarge { limit_bytes: u64 },
    #[error("Nothing came for too long. Go on where it stopped.")]
    Stalled,
    #[error("Another request goes on with this upload.")]
    TakenOver,
    /// The client has gone; nobody reads this.
    #[error("The connection broke.")]
    Cut,
    #[error("The blob has {size_bytes} bytes.")]
    RangeNotSatisfiable { size_bytes: u64 },
    #[error("`n` is no number of entries.")]
    PageInvalid,
    #[error("{0}")]
    Unsupported(&'static str),
    /// A slug's image stands on a stack that an earlier hoist has made.
    #[error(
        "The stack {0} can't be part of an image yet. Whoever runs this installation can change that: `hoist stack:build {0}`."
    )]
    NoLayer(StackName),
    #[error("hoist's disk is full. It is not your fault; tell your administrator, and push again.")]
    Full,
    #[error("Internal server error. It is hoist's fault, not yours. Please try again.")]
    Internal,
}

fn list(digests: &[Digest]) -> String {
    digests.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl RegistryError {
    /// The answer's status, and the specification's code. Those that it has not are Docker's.
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED"),
            Self::Insufficient(_) => (StatusCode::UNAUTHORIZED, "DENIED"),
            Self::TooOften(_) => (StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS"),
            Self::Denied(_) => (StatusCode::FORBIDDEN, "DENIED"),
            Self::NoSuchRepository(_) => (StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
            Self::BlobUnknown(_) => (StatusCode::NOT_FOUND, "BLOB_UNKNOWN"),
            Self::UploadUnknown => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
            Self::ManifestUnknown(_) => (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
            Self::DigestInvalid(_) => (StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
            Self::ManifestInvalid(_) => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID"),
            Self::ManifestTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID"),
            Self::ManifestBlobUnknown(_) => (StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN"),
            Self::UploadInvalid(_) | Self::Cut => (StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID"),
            Self::OutOfOrder(_) => (StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID"),
            Self::BlobTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID"),
            Self::Stalled => (StatusCode::REQUEST_TIMEOUT, "BLOB_UPLOAD_INVALID"),
            Self::TakenOver => (StatusCode::CONFLICT, "BLOB_UPLOAD_INVALID"),
            Self::RangeNotSatisfiable { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID"),
            Self::PageInvalid => (StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID"),
            Self::Unsupported(_) => (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
            Self::NoLayer(_) => (StatusCode::SERVICE_UNAVAILABLE, "UNKNOWN"),
            Self::Full => (StatusCode::INSUFFICIENT_STORAGE, "UNKNOWN"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut add = |name: HeaderName, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        match self {
            Self::Unauthorized(challenge) | Self::Insufficient(challenge) => {
                add(header::WWW_AUTHENTICATE, challenge.to_string());
            }
            Self::TooOften(TooOften { retry_after }) => add(header::RETRY_AFTER, (retry_after.whole_seconds() + 1).to_string()),
            Self::OutOfOrder(standing) => {
                add(header::LOCATION, standing.location());
                add(header::RANGE, standing.range());
            }
            Self::RangeNotSatisfiable { size_bytes } => add(header::CONTENT_RANGE, format!("bytes */{size_bytes}")),
            _ => {}
        }
        headers
    }
}

impl Standing {
    /// Where the upload goes on.
    pub(super) fn location(&self) -> String {
        format!("/v2/{}/blobs/uploads/{}", self.repository, self.id)
    }

    /// What has come. Nothing and one byte look alike here, as everywhere (the form has no room for nothing).
    pub(super) fn range(&self) -> String {
        format!("0-{}", self.size_bytes.saturating_sub(1))
    }
}

impl IntoResponse for RegistryError {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        let body = json!({"errors": [{"code": code, "message": self.to_string()}]});
        (status, self.headers(), Json(body)).into_response()
    }
}

fn internal(error: &(dyn Error + 'static), what: &str) -> RegistryError {
    tracing::error!(error, "{what}");
    RegistryError::Internal
}

impl From<DbError> for RegistryError {
    fn from(error: DbError) -> Self {
        internal(&error, "the database failed")
    }
}

impl From<std::io::Error> for RegistryError {
    fn from(error: std::io::Error) -> Self {
        let answer = internal(&error, "the blob store failed");
        if error.kind() == std::io::ErrorKind::StorageFull { Self::Full } else { answer }
    }
}

impl From<SlugImageError> for RegistryError {
    fn from(error: SlugImageError) -> Self {
        match error {
            SlugImageError::NoLayer(stack) => Self::NoLayer(stack),
            SlugImageError::Db(error) => error.into(),
            SlugImageError::Store(error) => error.into(),
            SlugImageError::Stack(error) => internal(&error, "the stack of a slug's image can't be used"),
        }
    }
}

impl From<UploadError> for RegistryError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::TakenOver => Self::TakenOver,
            UploadError::TooLarge { limit_bytes } => Self::BlobTooLarge { limit_bytes },
            UploadError::TooShort { .. } | UploadError::Cut(_) => Self::Cut,
            UploadError::Stalled(_) => Self::Stalled,
            UploadError::OtherDigest(found) => Self::DigestInvalid(format!("The bytes that came have the digest {found}.")),
            UploadError::Io(error) if error.kind() == std::io::ErrorKind::NotFound => Self::UploadUnknown,
            UploadError::Io(error) => error.into(),
        }
    }
}

impl From<PutError> for RegistryError {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Invalid(invalid) => Self::ManifestInvalid(invalid),
            PutError::OtherDigest(found) => Self::DigestInvalid(format!("The manifest's digest is {found}.")),
            PutError::Missing(missing) => Self::ManifestBlobUnknown(missing),
            PutError::Image(error) => Self::of(error, || Self::Internal),
        }
    }
}

impl RegistryError {
    /// The answer's status.
    pub(super) fn status(&self) -> StatusCode {
        self.status_and_code().0
    }

    /// Whether it is hoist's fault.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::Internal | Self::Full)
    }

    /// The answer where something failed that was about `unknown`, should there be none.
    pub(super) fn of(error: ImageError, unknown: impl FnOnce() -> Self) -> Self {
        match error {
            ImageError::NotFound => unknown(),
            ImageError::LedgersTag(_) | ImageError::PartOf(_) | ImageError::Released => Self::Denied(error.to_string()),
            ImageError::Upload(error) => error.into(),
            ImageError::Db(error) => error.into(),
            ImageError::Store(error) => error.into(),
        }
    }
}
