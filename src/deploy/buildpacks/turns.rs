//! Builds that want the same buildpack at the same time: one fetches it, the others wait and use its copy, or fail as it did.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use time::OffsetDateTime;
use tokio::sync::{Mutex as Turns, OwnedMutexGuard};

use crate::build::BuildError;
use crate::db::buildpack_copies::CopyKey;

/// The packs that are being fetched. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Packs(Arc<Mutex<HashMap<CopyKey, Weak<Turns<LastFailure>>>>>);

/// How a pack could not be fetched the last time, as long as somebody waits for it.
type LastFailure = Option<(OffsetDateTime, Arc<BuildError>)>;

/// One's turn with a pack, which lasts until this goes.
#[derive(Debug)]
pub(super) struct Turn(OwnedMutexGuard<LastFailure>);

impl Turn {
    /// What another build has failed for since then: once more would only take as long again.
    pub(super) fn failed_since(&self, since: OffsetDateTime) -> Option<Arc<BuildError>> {
        self.0.as_ref().filter(|(at, _)| *at >= since).map(|(_, error)| Arc::clone(error))
    }

    /// Tells those that wait what this build has failed for.
    pub(super) fn fail(&mut self, at: OffsetDateTime, error: Arc<BuildError>) {
        *self.0 = Some((at, error));
    }

    /// Lets those that wait use what this build has found.
    pub(super) fn succeed(&mut self) {
        *self.0 = None;
    }
}

impl Packs {
    /// Waits for one's turn with a pack. Each turn ends with its fetch, or with its build: both have their times.
    pub(super) async fn turn(&self, key: &CopyKey) -> Turn {
        Turn(self.turns_of(key).lock_owned().await)
    }

    fn turns_of(&self, key: &CopyKey) -> Arc<Turns<LastFailure>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(key.clone(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn who_waits_is_told_of_a_failure_and_who_comes_later_is_not() {
        let (packs, key) = (Packs::default(), CopyKey { app: None, place: "dead".to_owned() });
        let at = |secs| OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(secs);
        let mut first = packs.turn(&key).await;
        let (mut waiting, mut later) = (Box::pin(packs.turn(&key)), Box::pin(packs.turn(&key)));
        assert!((&mut waiting).now_or_never().is_none() && (&mut later).now_or_never().is_none());
        first.fail(at(5), Arc::new(BuildError::SourceTime));
        drop(first);
        let told = waiting.await;
        assert!(told.failed_since(at(0)).is_some_and(|error| matches!(*error, BuildError::SourceTime)));
        drop(told);
        assert!(later.await.failed_since(at(6)).is_none());
        assert!(packs.turn(&key).await.failed_since(at(0)).is_none(), "nobody has waited for it");
    }

    #[tokio::test]
    async fn a_failure_is_over_once_another_build_succeeds() {
        let (packs, key) = (Packs::default(), CopyKey { app: None, place: "flaky".to_owned() });
        let mut first = packs.turn(&key).await;
        let (mut second, mut third) = (Box::pin(packs.turn(&key)), Box::pin(packs.turn(&key)));
        assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
        first.fail(OffsetDateTime::UNIX_EPOCH, Arc::new(BuildError::SourceTime));
        drop(first);
        let mut second = second.await;
        second.succeed();
        drop(second);
        assert!(third.await.failed_since(OffsetDateTime::UNIX_EPOCH).is_none());
    }

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
