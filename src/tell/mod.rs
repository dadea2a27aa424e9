//! Telling back: what has become of a build, told to the repository that its commit came from; and of a release, told to who
//! asked for it.
//!
//! `providers` is GitHub and its kin as hoist knows them, each by its HTTP API: `github`, `gitlab`, and `gitea` for itself
//! and Forgejo; `api` asks, `limit` is how often it may, `github_app` is as whom hoist asks GitHub. `ci` is what others say of a commit. What is to be told
//! are rows that were written with what happened ([`crate::db::tellings`]); `worker` takes them from there, `build` tells one,
//! and `comment` is what pull requests hear. Who asked to be notified of releases (`notifications`) is told by `release`, and by
//! `email`.
//!
//! Everything is told at least once: the daemon may be killed between a provider's answer and its record, and tells it again
//! then, which changes nothing there; a command is begun twice. What is told of one app is told in order.

mod api;
mod build;
mod ci;
mod comment;
mod email;
mod gitea;
mod github;
mod github_app;
mod gitlab;
mod limit;
mod notifications;
mod providers;
mod release;
mod worker;

use time::OffsetDateTime;

use crate::db::DbError;
use crate::fetch::{BadUrl, FetchError};
use crate::model::{Connection, ConnectionSecrets, Email, FullName, Provider, Secret};

pub use api::ANSWER_BYTES;
pub use email::{MailError, MailSecurity, MailServer};
pub use github_app::KeyError;
pub use notifications::{NotificationBounds, NotificationError, add_notification, remove_notification};
pub use providers::{GITHUB_API, Providers, Settings};
pub use release::Hook;
pub use worker::{Pace, Teller, tell};

/// A repository at a provider, and what lets hoist in.
#[derive(Debug, Clone)]
pub struct Place {
    pub provider: Provider,
    pub full_name: FullName,
    /// Where the repository is fetched from, which says on which of its kind it is.
    pub clone_url: String,
    /// The connection's own token, which is asked with before the GitHub App's.
    pub token: Option<Secret>,
    /// Whether the GitHub App may act there, for whoever made the connection.
    pub is_proved: bool,
}

impl Place {
    /// The repository of a connection.
    #[must_use]
    pub fn new(connection: Connection, secrets: ConnectionSecrets) -> Self {
        let Connection { provider, full_name, clone_url, is_proved, .. } = connection;
        Self { provider, full_name, clone_url, token: secrets.token, is_proved }
    }
}

/// Why a provider was not told, or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    #[error("hoist.toml has no section [{0}]")]
    NotConfigured(Provider),
    #[error(
        "there is no token for {0}: give the connection one (hoist github:update --token-file FILE); where hoist is a GitHub App, \
         show that you may read the repository (--proof-file FILE)"
    )]
    NoToken(FullName),
    #[error("{0} does not say where the API is: set api_url in the section [{1}]")]
    NoHost(String, Provider),
    #[error("{0} is not an address of an API: {1}")]
    Url(String, #[source] BadUrl),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{what} was answered with {status}: {message}")]
    Refused { what: String, status: u16, message: String },
    /// It was asked too often, and says when it may be again.
    #[error("{what} was answered with {status}: it may not be asked before {until}")]
    Limited { what: String, status: u16, until: OffsetDateTime },
    #[error("{what} was answered with what can't be understood: {why}")]
    Strange { what: String, why: String },
    #[error("there is no mail server any more: name it in the section [smtp] of hoist.toml")]
    NoMailServer,
    #[error("{0} does not work on the app any more")]
    Stranger(Email),
    #[error(transparent)]
    Mail(MailError),
    #[error("the command could not be run")]
    Run(#[source] RunError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Why a command was not begun.
pub type RunError = Box<dyn std::error::Error + Send + Sync>;

impl TellError {
    /// Whether asking again could not help: the provider knows no such commit, or won't have what is told.
    fn is_final(&self) -> bool {
        match self {
            Self::NotConfigured(_)
            | Self::NoToken(_)
            | Self::NoHost(..)
            | Self::Url(..)
            | Self::NoMailServer
            | Self::Stranger(_) => true,
            Self::Refused { status, .. } => matches!(status, 400 | 404 | 409 | 410 | 422),
            Self::Mail(error) => error.is_final(),
            _ => false,
        }
    }
}
