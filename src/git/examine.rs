//! Whether a repository is sound, down to the last byte.

use std::io;

use tokio::task::spawn_blocking;

use super::index::{self, IndexError};
use super::quarantine::PackName;
use super::repo::Repo;
use crate::model::{CommitId, RefName};

/// What a look at a pack came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Examined {
    /// Sound, with so many objects.
    Sound { objects: usize },
    /// What is wrong with it, in words.
    Damaged(String),
}

impl Repo {
    /// Looks at a pack again: its checksum, the name of each object, what these refer to, and what lies beside it. In a
    /// repository that is held.
    pub async fn examine(&self, pack: &PackName) -> Result<Examined, IndexError> {
        match index::examine(self, pack).await {
            Ok(objects) => Ok(Examined::Sound { objects }),
            Err(IndexError::Refused(what) | IndexError::BadObject(what)) => Ok(Examined::Damaged(what)),
            Err(other) => Err(other),
        }
    }

    /// Tells of each ref why its value can't be one, if so.
    pub async fn examine_refs(&self, refs: Vec<(RefName, CommitId)>) -> io::Result<Vec<Option<String>>> {
        let mut objects = self.objects(None);
        let judge = move || {
            let tips = refs.iter().map(|(name, id)| index::Tip::new(id, name));
            tips.map(|tip| index::judge_tip(&tip, &mut objects)).collect()
        };
        spawn_blocking(judge).await.map_err(io::Error::other)?
    }
}
