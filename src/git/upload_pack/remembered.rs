//! What could be reached from refs when that was found out last: a partial clone asks again and again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use gix_hash::ObjectId;
use ring::digest::{Context, SHA256};

use super::packs::Packs;
use super::reach::Reachable;

/// Repositories that are remembered. One takes an eighth of a byte per object.
const MOST: usize = 16;

/// Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Remembered(Arc<Mutex<VecDeque<Known>>>);

/// What can be reached under a key.
struct Known {
    key: Key,
    reachable: Arc<Reachable>,
}

/// The packs and the refs' values, by which numbers and what can be reached are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key([u8; 32]);

impl Key {
    /// `values` are sorted.
    pub(super) fn new(packs: &Packs, values: &[ObjectId]) -> Self {
        let mut context = Context::new(&SHA256);
        for pack in packs.all() {
            context.update(pack.bundle.pack.path().as_os_str().as_encoded_bytes());
            context.update(b"\0");
        }
        for value in values {
            context.update(value.as_slice());
        }
        Self(context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl Remembered {
    pub(super) fn get(&self, key: Key) -> Option<Arc<Reachable>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|known| known.key == key).map(|known| Arc::clone(&known.reachable))
    }

    /// Remembers it in the place of what was found out first.
    pub(super) fn put(&self, key: Key, reachable: Reachable) -> Arc<Reachable> {
        let reachable = Arc::new(reachable);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.truncate(MOST - 1);
        known.push_front(Known { key, reachable: Arc::clone(&reachable) });
        reachable
    }
}
