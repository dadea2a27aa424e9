//! The git client: brings one commit of another server's repository here, without its history.
//!
//! Knows bytes in and bytes out; whoever calls brings the way to the server. In reading order:
//! - `connection`: the two ways, HTTP and a stream, as gix's protocol wants them; `budget` bounds what a server may say
//! - `session`: the conversation, on gix-protocol: find a ref, ask for a commit
//! - `find`: which commit a ref, or a revision, leads to
//! - `fetched`: what has been fetched: packs, and files of Git LFS; `brought` is what an export needs of it
//! - `survey`: what else a commit needs: submodules (`gitmodules`) and files of Git LFS (`pointer`, `lfsconfig`)

mod brought;
mod budget;
mod connection;
mod fetched;
mod find;
mod gitmodules;
mod lfsconfig;
mod pointer;
mod session;
mod survey;

pub(super) use brought::{Brought, Content};
pub use connection::{Connection, Exchange};
pub use fetched::{Fetched, Want};
pub use find::{FoundRevision, find_ref, find_revision};
pub(super) use pointer::MAX_POINTER;
pub use pointer::parse_pointer;
pub use survey::{MAX_GITMODULES, Submodule, Survey};
pub(super) use survey::{read_small, survey};

use super::IndexError;
use crate::model::{CommitId, RefName, Revision};

/// Why a commit could not be brought. Only the last is hoist's fault, and of the pack's some.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No ref leads to the commit, and this server gives out nothing else.
    #[error("the server does not give out commit {0}: no ref leads to it any more")]
    Unadvertised(CommitId),
    #[error("the server has no {0}")]
    NoRef(RefName),
    #[error("the repository has no branch, tag or commit {0}")]
    NoRevision(Revision),
    /// As a new repository has none.
    #[error("the repository has no default branch")]
    NoDefaultBranch,
    /// Its own words.
    #[error("the server refuses: {0}")]
    Refused(String),
    #[error("the server is no git server: {0}")]
    Protocol(String),
    #[error("the repository is of object format '{0}'; only sha1 is fetched")]
    ObjectFormat(String),
    #[error("the server has sent something else than commit {0}")]
    OtherObjects(CommitId),
    #[error("{0}")]
    Pack(#[source] IndexError),
    #[error("what was fetched can't be kept")]
    Io(#[from] std::io::Error),
}
