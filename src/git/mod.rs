//! Git: receives pushes, keeps an app's objects, serves clones and fetches, fetches from other servers. Native, on gix's plumbing; runs no git.
//!
//! Refs are not here. They live in the database beside the ledger, come in as values and are moved by the caller
//! (the `decide` of [`receive_pack()`]). Here are packs only: no loose objects, no ref files, no locks.
//!
//! In reading order:
//! - `pkt_line`, `commands`: the wire as pure functions, bytes in and values out
//! - `certificate`: of a signed push, and `nonce`, what it has to quote
//! - `advertise`, `receive_pack`: the conversation with the pusher, with its parts `admission` (which updates can be),
//!   `request` (reading), `refusal` (before anything is read further), `progress` (side-band 2 and keep-alives) and `report`
//!   (the end)
//! - `repo`, `quarantine`: an app's packs, and one that is not among them yet; `objects` and `export` read them
//! - `pointers`: what of an app's files is kept by Git LFS
//! - `compact`: packs become one; `lease`: who has to be waited for before any go; `examine` looks whether they are sound
//! - `bundle`: a repository as a file
//! - `index`: the helper process that turns a stranger's pack into a checked and indexed one
//! - `upload_pack`: clones and fetches; `side_files` are what it reads besides packs
//! - `client`: the other direction: brings a commit of another server's repository
//!
//! gix breaks its API often: nothing of it shows in this module's public face.

pub mod certificate;
pub mod commands;
pub mod pkt_line;

mod admission;
mod advertise;
mod drain;
mod nonce;
mod progress;
mod receive_pack;
mod refusal;
mod report;
mod request;

mod export;
mod objects;
mod pointers;
mod quarantine;
mod repo;

mod compact;
mod examine;
mod lease;

mod bundle;

mod index;
mod side_files;

pub mod upload_pack;

mod client;

pub use advertise::{Advertised, Greeting, advertise};
pub use bundle::{BundleError, BundleHeader, ImportError, Imported, parse_bundle_header};
pub use certificate::CertificateError;
pub use client::{
    ClientError, Connection, Exchange, Fetched, FoundRevision, MAX_GITMODULES, Submodule, Survey, Want, find_ref, find_revision,
    parse_pointer,
};
pub use commands::RefUpdate;
pub use compact::{Alone, CompactError, Compacted, Reached};
pub use examine::Examined;
pub use export::{Base, Changes, Exported};
pub use index::{IndexError, examine_object, examine_pack, helper_main};
pub use nonce::{Nonce, Nonces};
pub use objects::ReadError;
pub use progress::{Gone, Progress};
pub use quarantine::{PackName, Quarantine, Stats};
pub use receive_pack::{Push, ReceiveError, Received, receive_pack};
pub use refusal::Refusal;
pub use repo::{Additions, Repo};
pub use report::RefStatus;
pub use upload_pack::{FetchError, Fetches, Served, Terms, UploadPack, Version, advertisement_v2};

/// Something that no git client says. The texts are shown to the pusher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("protocol error: bad line length '{0}'")]
    PktLine(String),
    #[error("protocol error: expected old id, new id and ref, got '{0}'")]
    Command(String),
    #[error("protocol error: '{0}' is not an object id")]
    ObjectId(String),
    #[error("protocol error: the push certificate can't be read: {0}")]
    Certificate(&'static str),
    #[error("this server keeps sha1 repositories, the push is of object format '{0}'")]
    ObjectFormat(String),
    #[error("too many refs in one push, at most {max} are allowed; push them in parts", max = commands::MAX_COMMANDS)]
    TooManyCommands,
    #[error(
        "bad push options: at most {count} of {bytes} bytes of UTF-8 each are allowed",
        count = commands::MAX_OPTIONS,
        bytes = commands::MAX_OPTION_BYTES
    )]
    PushOptions,
}
