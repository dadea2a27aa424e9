//! What can be wrong with another git server, its repository, or the way there.

use std::io;

use super::submodule::{MAX_DEPTH, MAX_SUBMODULES};
use crate::fetch::{BadUrl, FetchError};
use crate::git::{ClientError, IndexError, ReadError};
use crate::model::{Invalid, RemoteUrl};

/// Why a commit could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Nobody was there, or not the one who should be.
    #[error("{0}")]
    Unreached(FetchError),
    /// Whoever asks has no right to it, or shows the wrong credentials.
    #[error("the server does not let hoist in (it answered {0})")]
    Denied(u16),
    /// Servers say that, too, to those who have no right to it.
    #[error("the server has no such repository, or does not show it to hoist")]
    NoRepository,
    #[error("the server answered {0}")]
    Status(u16),
    #[error("a deploy key is needed for {0}")]
    NeedsKey(String),
    #[error(transparent)]
    BadUrl(#[from] BadUrl),
    #[error("{0}")]
    Git(ClientError),
    #[error("it took too long")]
    TooSlow,
    #[error(transparent)]
    Submodule(Box<SubmoduleError>),
    #[error(".gitmodules does not say where it is")]
    NoSubmoduleUrl,
    #[error(transparent)]
    BadSubmoduleUrl(Invalid),
    /// What was pushed has come from nowhere.
    #[error("its URL {0} is relative, and nothing says to what")]
    RelativeSubmodule(String),
    #[error("there are more than {MAX_SUBMODULES} submodules, or they stand in one another more than {MAX_DEPTH} deep")]
    TooManySubmodules,
    #[error("Git LFS: {0}")]
    Lfs(#[from] LfsError),
    #[error("the source can't be read")]
    Tree(#[from] ReadError),
    /// hoist's fault.
    #[error("what was fetched can't be kept")]
    Keep(#[from] io::Error),
}

/// Why a submodule could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("submodule {path}: {error}")]
pub struct SubmoduleError {
    pub path: String,
    /// Where it was looked for, once that is known.
    pub url: Option<RemoteUrl>,
    #[source]
    pub error: RemoteError,
}

/// What can be wrong with files that Git LFS keeps.
#[derive(Debug, thiserror::Error)]
pub enum LfsError {
    #[error("there are more than {limit} files")]
    TooMany { limit: usize },
    #[error("the files have more than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the server does not have {oid}: {why}")]
    Missing { oid: String, why: String },
    #[error("what the server sends as {oid} is something else")]
    Other { oid: String },
    #[error("the server's answer can't be understood: {0}")]
    Answer(String),
    /// In its own words.
    #[error("the server does not say where the files are: {0}")]
    Refused(String),
    #[error(".lfsconfig: {0}")]
    BadUrl(Invalid),
}

impl LfsError {
    /// Of an answer that is not the JSON it is to be. Serde's own words may quote it, and secrets stand in it.
    pub(super) fn unread(error: &serde_json::Error) -> Self {
        Self::Answer(format!("it is wrong at line {}, column {}", error.line(), error.column()))
    }
}

impl RemoteError {
    /// Whether it is hoist's own fault.
    #[must_use]
    pub fn is_hoists_fault(&self) -> bool {
        match self {
            Self::Keep(_) | Self::Unreached(FetchError::Keep(_)) | Self::Git(ClientError::Io(_)) => true,
            Self::Git(ClientError::Pack(error)) => {
                matches!(error, IndexError::Failed(_) | IndexError::Died { .. } | IndexError::TooSlow(_) | IndexError::Io(_))
            }
            Self::Tree(error) => !error.is_pushers_fault(),
            Self::Submodule(submodule) => submodule.error.is_hoists_fault(),
            _ => false,
        }
    }

    /// In the submodule at `path`, which was looked for at `url`.
    pub(in crate::build) fn at(self, path: &str, url: Option<&RemoteUrl>) -> Self {
        Self::Submodule(Box::new(SubmoduleError { path: path.to_owned(), url: url.cloned(), error: self }))
    }
}

impl From<FetchError> for RemoteError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::TimedOut => Self::TooSlow,
            error => Self::Unreached(error),
        }
    }
}
