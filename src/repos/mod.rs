//! Upkeep of the apps' repositories: packs are made into fewer, what nothing leads to goes, and all of it can be checked.
//!
//! In reading order: `geometric` says which packs become one, `compact` does it and drops what nothing leads to, `swap` lets the
//! new pack take the place of the old ones, `check` looks whether a repository is sound.

mod geometric;

mod compact;
mod swap;

mod check;

pub use check::{PackState, Report, check};
pub use compact::{Dropped, Folded, drop_unreachable, due_to_drop, due_to_fold, fold};
pub use swap::{remove_old, to_remove};

use crate::db::DbError;
use crate::git::{CompactError, IndexError};

/// Why a repository is as it was.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Compact(#[from] CompactError),
    #[error("a pack can't be looked at")]
    Examine(#[from] IndexError),
    #[error("the repository can't be read or written")]
    Store(#[from] std::io::Error),
    /// It is tried again.
    #[error("somebody pushed to it all the time")]
    Busy,
}

impl UpkeepError {
    /// Whether it is nobody's fault.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy)
    }
}
