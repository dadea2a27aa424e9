//! Builds that want the same buildpack at the same time: one fetches it, the others wait and use its copy.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::db::buildpack_copies::CopyKey;

/// The packs that are being fetched. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Packs(Arc<Mutex<HashMap<CopyKey, Weak<Semaphore>>>>);

impl Packs {
    /// Waits for one's turn with a pack, which lasts until the permit is dropped. Each turn ends with its fetch, or with its build:
    /// both have their times.
    pub(super) async fn turn(&self, key: &CopyKey) -> OwnedSemaphorePermit {
        let turn = self.turn_of(key);
        turn.acquire_owned().await.expect("the semaphore is never closed")
    }

    fn turn_of(&self, key: &CopyKey) -> Arc<Semaphore> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Semaphore::new(1));
        turns.insert(key.clone(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_has_the_turn_of_a_pack() {
        let (packs, key) = (Packs::default(), |place: &str| CopyKey { app: None, place: place.to_owned() });
        let first = packs.turn(&key("a")).await;
        assert!(packs.turn(&key("a")).now_or_never().is_none());
        let other = packs.turn(&key("b")).now_or_never();
        assert!(other.is_some());
        drop(first);
        assert!(packs.turn(&key("a")).now_or_never().is_some());
        drop(other);
        drop(packs.turn(&key("c")).await);
        assert_eq!(packs.0.lock().unwrap().len(), 1, "what nobody waits for is forgotten");
    }
}
