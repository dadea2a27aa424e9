//! Whose turn it is to write to an upload, and how far that is hashed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::Sha256;
use tokio::sync::{Mutex as Turns, OwnedMutexGuard};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::UploadError;
use crate::model::BlobUploadId;

/// Most uploads that are known to have been hashed up to where they are. The others are read again.
const MOST: usize = 1024;
/// How long a request that was told to give way may still write what it has received.
const GIVE_WAY_TIME: Duration = Duration::from_secs(30);

/// What is known of the uploads that this process has seen. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Uploads(Arc<Mutex<HashMap<BlobUploadId, Seen>>>);

#[derive(Debug)]
struct Seen {
    turn: Arc<Turns<Option<Progress>>>,
    /// Tells the request whose turn it is that another one waits.
    give_way: CancellationToken,
}

/// How far an upload is written and hashed.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    pub(super) hasher: Sha256,
    pub(super) size_bytes: u64,
}

/// The right to write to an upload, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    /// None as long as nobody has read what is in the file.
    pub(super) progress: OwnedMutexGuard<Option<Progress>>,
    /// Cancelled when another request wants to go on with the upload.
    pub(super) give_way: CancellationToken,
}

impl Uploads {
    /// Waits for the turn. Whoever has it is told to end: a client that comes again has given its first connection up, and
    /// that may not have been noticed here.
    pub(super) async fn take_turn(&self, id: BlobUploadId) -> Result<Turn, UploadError> {
        let give_way = CancellationToken::new();
        let turn = self.knock(id, give_way.clone());
        let progress = timeout(GIVE_WAY_TIME, turn.lock_owned()).await.map_err(|_| UploadError::TakenOver)?;
        Ok(Turn { progress, give_way })
    }

    /// Forgets an upload that is over.
    pub(super) fn forget(&self, id: BlobUploadId) {
        if let Some(seen) = self.seen().remove(&id) {
            seen.give_way.cancel();
        }
    }

    fn knock(&self, id: BlobUploadId, give_way: CancellationToken) -> Arc<Turns<Option<Progress>>> {
        let mut seen = self.seen();
        if seen.len() >= MOST {
            // What nobody holds now is only a hash that can be made again.
            seen.retain(|_, seen| Arc::strong_count(&seen.turn) > 1);
        }
        let entry = seen.entry(id).or_insert_with(|| Seen { turn: Arc::default(), give_way: give_way.clone() });
        if entry.turn.try_lock().is_err() {
            entry.give_way.cancel();
        }
        entry.give_way = give_way;
        Arc::clone(&entry.turn)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<BlobUploadId, Seen>> {
        // A panic between lock and unlock would leave a sound map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
