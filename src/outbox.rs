//! Keeps rows moving that say what is still to be done: what is to be told, delivered, deployed.
//!
//! Whoever wants something done writes a row, in the transaction that makes it wanted; whoever does it changes the row. So
//! nothing is lost whatever crashes, and a restart goes on. Here is the one loop that finds such rows and has them carried on.

use std::collections::HashSet;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::JoinMap;

/// How often it is tidied up; also the longest sleep.
pub const TIDY_INTERVAL: Duration = Duration::from_hours(1);
/// Before it goes on after the database, or a panic, has stopped it.
pub const ERROR_WAIT: Duration = Duration::from_secs(5);

/// What wakes and ends the loop.
#[derive(Debug, Clone)]
pub struct Signals {
    /// Changes with each commit of the database.
    pub commits: watch::Receiver<()>,
    /// Nothing is begun from then on.
    pub stopping: CancellationToken,
    /// What is under way is given up then; the next start takes it up again.
    pub killing: CancellationToken,
}

/// Rows with their lanes, and for how long there is no other.
pub type Due<O> = (Vec<(<O as Outbox>::Lane, <O as Outbox>::Row)>, Duration);

/// A kind of rows, and how one is carried on.
pub trait Outbox: Send + Sync + 'static {
    type Row: Send + 'static;
    /// What is done one after the other: of each lane, one row at a time is carried on.
    type Lane: Clone + Eq + Hash + Send + Sync + 'static;
    /// For the log: what it does.
    const DOES: &'static str;

    fn signals(&self) -> Signals;

    /// The rows to be carried on now, of other lanes than the busy ones and of each lane one; and for how long there is no other.
    fn due(&self, busy: &HashSet<Self::Lane>) -> impl Future<Output = Due<Self>> + Send;

    /// Goes as far as it can with a row, and records how far that is.
    fn carry_on(&self, row: Self::Row) -> impl Future<Output = ()> + Send;

    /// What is done from time to time.
    fn tidy(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Carries rows on until it is stopped. A panic stops it for a moment only: what was under way is taken up again.
pub async fn drain<O: Outbox>(outbox: Arc<O>) {
    let stopping = outbox.signals().stopping;
    while AssertUnwindSafe(drain_until_stopped(&outbox)).catch_unwind().await.is_err() {
        // What it said stands in the log already.
        tracing::error!("{} panicked; it goes on", O::DOES);
        stopping.run_until_cancelled(sleep(ERROR_WAIT)).await;
    }
}

/// Woken by each commit, by the end of what is under way and when the next is due, and by nothing else.
async fn drain_until_stopped<O: Outbox>(outbox: &Arc<O>) {
    let Signals { mut commits, stopping, killing } = outbox.signals();
    // Tasks, not futures of this one: what is under way goes on while this waits for a connection to the database, which what
    // is under way may hold.
    let mut under_way = JoinMap::new();
    let mut next_tidy = Instant::now();
    while !stopping.is_cancelled() {
        commits.borrow_and_update();
        if Instant::now() >= next_tidy {
            next_tidy = Instant::now() + TIDY_INTERVAL;
            outbox.tidy().await;
        }
        let (due, next) = outbox.due(&under_way.keys().cloned().collect()).await;
        for (lane, row) in due {
            under_way.spawn(lane, carry_on(Arc::clone(outbox), row));
        }
        tokio::select! {
            () = stopping.cancelled() => {}
            // Its sender is the database's.
            _ = commits.changed() => {}
            Some(_) = under_way.join_next() => {}
            () = sleep(next.min(next_tidy.saturating_duration_since(Instant::now()))) => {}
        }
    }
    let the_rest = async { while under_way.join_next().await.is_some() {} };
    killing.run_until_cancelled(the_rest).await;
}

/// What goes wrong with one must not keep the others from going on.
async fn carry_on<O: Outbox>(outbox: Arc<O>, row: O::Row) {
    if AssertUnwindSafe(outbox.carry_on(row)).catch_unwind().await.is_err() {
        // What it said stands in the log already.
        tracing::error!("{} panicked; it will be taken up again", O::DOES);
        sleep(ERROR_WAIT).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::{Semaphore, mpsc};
    use tokio::time::timeout;

    use super::*;

    /// Rows are numbers, lanes their tens. One at a time may look, or be carried on.
    struct Numbers {
        rows: Mutex<Vec<u32>>,
        room: Semaphore,
        go: Semaphore,
        done: mpsc::UnboundedSender<u32>,
        signals: Signals,
    }

    impl Outbox for Numbers {
        type Row = u32;
        type Lane = u32;
        const DOES: &'static str = "counting";

        fn signals(&self) -> Signals {
            self.signals.clone()
        }

        async fn due(&self, busy: &HashSet<u32>) -> Due<Self> {
            let _room = self.room.acquire().await.unwrap();
            let mut taken = busy.clone();
            let rows = self.rows.lock().unwrap();
            (rows.iter().map(|row| (row / 10, *row)).filter(|(lane, _)| taken.insert(*lane)).collect(), TIDY_INTERVAL)
        }

        async fn carry_on(&self, row: u32) {
            let _room = self.room.acquire().await.unwrap();
            self.go.acquire().await.unwrap().forget();
            let panics = row == 13 && self.rows.lock().unwrap().len() == 3;
            self.rows.lock().unwrap().retain(|other| *other != row);
            self.done.send(row).unwrap();
            assert!(!panics, "an unlucky number");
        }
    }

    struct World {
        outbox: Arc<Numbers>,
        done: mpsc::UnboundedReceiver<u32>,
        commits: watch::Sender<()>,
    }

    fn world(rows: &[u32]) -> World {
        let ((done, is_done), commits) = (mpsc::unbounded_channel(), watch::Sender::new(()));
        let (stopping, killing) = (CancellationToken::new(), CancellationToken::new());
        let signals = Signals { commits: commits.subscribe(), stopping, killing };
        let (room, go) = (Semaphore::new(1), Semaphore::new(0));
        let outbox = Arc::new(Numbers { rows: Mutex::new(rows.to_vec()), room, go, done, signals });
        World { outbox, done: is_done, commits }
    }

    impl World {
        async fn next(&mut self) -> u32 {
            timeout(Duration::from_secs(30), self.done.recv()).await.expect("it hangs").unwrap()
        }
    }

    #[tokio::test]
    async fn what_is_under_way_goes_on_while_others_are_looked_for() {
        let mut world = world(&[1, 2, 11]);
        let draining = tokio::spawn(drain(Arc::clone(&world.outbox)));
        let mut done = Vec::new();
        for _ in 0..3 {
            // The loop looks again, and waits for the room that one row holds, which waits to go on.
            world.commits.send_replace(());
            tokio::task::yield_now().await;
            world.outbox.go.add_permits(1);
            done.push(world.next().await);
        }
        assert!(done.iter().position(|row| *row == 1) < done.iter().position(|row| *row == 2), "{done:?}");
        world.outbox.signals.stopping.cancel();
        timeout(Duration::from_secs(30), draining).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_the_end_of_nothing_else() {
        let mut world = world(&[13, 1, 2]);
        let draining = tokio::spawn(drain(Arc::clone(&world.outbox)));
        world.outbox.go.add_permits(3);
        let mut done = [world.next().await, world.next().await, world.next().await];
        done.sort_unstable();
        assert_eq!(done, [1, 2, 13]);
        world.outbox.signals.stopping.cancel();
        world.outbox.signals.killing.cancel();
        timeout(Duration::from_secs(30), draining).await.unwrap().unwrap();
    }
}
