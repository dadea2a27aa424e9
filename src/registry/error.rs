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

#[derive(Debug)]
pub(super) enum RegistryError {
    /// Nobody is known to ask.
    Unauthorized(Challenge),
    /// A token of the token service that was given for something else.
    Insufficient(Challenge),
    TooOften(TooOften),
    Denied(String),
    NoSuchRepository(String),
    BlobUnknown(Digest),
    UploadUnknown,
    ManifestUnknown(Reference),
    DigestInvalid(String),
    ManifestInvalid(Invalid),
    ManifestTooLarge,
    ManifestBlobUnknown(Vec<Digest>),
    TagInvalid(Invalid),
    UploadInvalid(String),
    OutOfOrder(Standing),
    BlobTooLarge {
        limit_bytes: u64,
    },
    Stalled,
    TakenOver,
    /// The client has gone; nobody reads this.
    Cut,
    RangeNotSatisfiable {
        size_bytes: u64,
    },
    PageInvalid,
    Unsupported(&'static str),
    /// A slug's image stands on a stack that an earlier hoist has made.
    NoLayer(StackName),
    Full,
    Internal,
}

type Parts = (StatusCode, &'static str, String);

impl RegistryError {
    fn parts(&self) -> Parts {
        let text = |text: &str| text.to_owned();
        match self {
            Self::Unauthorized(_) => {
                let words = "Log in with any user name and your hoist API token as the password: docker login";
                (StatusCode::UNAUTHORIZED, "UNAUTHORIZED", text(words))
            }
            Self::Insufficient(_) => {
                let words = "requested access to the resource is denied: the token was not given for this";
                (StatusCode::UNAUTHORIZED, "DENIED", text(words))
            }
            Self::TooOften(TooOften { retry_after }) => {
                let words = format!("Too many requests to the registry. Try again in {} s.", retry_after.whole_seconds() + 1);
                (StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", words)
            }
            Self::Denied(why) => (StatusCode::FORBIDDEN, "DENIED", format!("requested access to the resource is denied: {why}")),
            Self::NoSuchRepository(why) => (StatusCode::NOT_FOUND, "NAME_UNKNOWN", why.clone()),
            Self::Unsupported(why) => (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", text(why)),
            Self::PageInvalid => (StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID", text("`n` is no number of entries.")),
            Self::NoLayer(stack) => {
                let words = format!(
                    "The stack {stack} can't be part of an image yet. Whoever runs this installation can change that: \
                     `hoist stack:build {stack}`."
                );
                (StatusCode::SERVICE_UNAVAILABLE, "UNKNOWN", words)
            }
            Self::Full => {
                let words = "hoist's disk is full. It is not your fault; tell your administrator, and push again.";
                (StatusCode::INSUFFICIENT_STORAGE, "UNKNOWN", text(words))
            }
            Self::Internal => {
                let words = "Internal server error. It is hoist's fault, not yours. Please try again.";
                (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", text(words))
            }
            about_content => about_content.content_parts(),
        }
    }

    /// Those about blobs and manifests.
    fn content_parts(&self) -> Parts {
        let upload_invalid = |status, text: String| (status, "BLOB_UPLOAD_INVALID", text);
        match self {
            Self::BlobUnknown(digest) => (StatusCode::NOT_FOUND, "BLOB_UNKNOWN", format!("The repository has no blob {digest}.")),
            Self::UploadUnknown => {
                let words = "There is no such upload: it has ended, or nothing came for too long. Push again.";
                (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", words.to_owned())
            }
            Self::ManifestUnknown(reference) => {
                (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", format!("The repository has no manifest {reference}."))
            }
            Self::DigestInvalid(why) => (StatusCode::BAD_REQUEST, "DIGEST_INVALID", why.clone()),
            Self::ManifestInvalid(invalid) => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID", invalid.to_string()),
            Self::TagInvalid(invalid) => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID", invalid.to_string()),
            Self::ManifestTooLarge => {
                let words = format!("A manifest has at most {} bytes.", ImageManifest::MAX_BYTES);
                (StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID", words)
            }
            Self::ManifestBlobUnknown(missing) => {
                let digests = missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let words = format!("The repository has not all that the manifest is made of. Push or mount first: {digests}");
                (StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN", words)
            }
            Self::UploadInvalid(why) => upload_invalid(StatusCode::BAD_REQUEST, why.clone()),
            Self::OutOfOrder(Standing { size_bytes, .. }) => {
                upload_invalid(StatusCode::RANGE_NOT_SATISFIABLE, format!("The next chunk begins with byte {size_bytes}."))
            }
            Self::BlobTooLarge { limit_bytes } => {
                let words = format!(
                    "A layer has at most {limit_bytes} bytes here. Make it smaller, or ask your administrator to raise \
                     `image_blob_bytes` in the [limits] of hoist.toml."
                );
                (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", words)
            }
            Self::Stalled => {
                upload_invalid(StatusCode::REQUEST_TIMEOUT, "Nothing came for too long. Go on where it stopped.".into())
            }
            Self::TakenOver => upload_invalid(StatusCode::CONFLICT, "Another request goes on with this upload.".into()),
            Self::Cut => upload_invalid(StatusCode::BAD_REQUEST, "The connection broke.".into()),
            Self::RangeNotSatisfiable { size_bytes } => {
                let words = format!("The blob has {size_bytes} bytes.");
                (StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID", words)
            }
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", String::new()),
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
        let (status, code, message) = self.parts();
        let body = json!({"errors": [{"code": code, "message": message}]});
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
            UploadError::Stalled(_) => Self::Stalled,
            UploadError::Cut(_) => Self::Cut,
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
        self.parts().0
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
