//! Stopping a build that somebody does not want any more.

use std::time::Duration;

use tokio::time::timeout;

use crate::ctx::Ctx;
use crate::model::{Account, BuildId};

/// How long is waited for the build's outcome.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of the wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The build was told, and its outcome is recorded unless that takes long. A build that was just being released may
    /// have succeeded.
    Told,
    /// It does not run any more.
    EndedBefore,
}

/// Cancels a build, wherever it stands in the queue, and waits for its end.
pub async fn cancel(ctx: &Ctx, build: BuildId, by: &Account) -> Cancelled {
    let running = ctx.builds.find(build).filter(|entry| entry.end.borrow().is_none());
    let Some(entry) = running else { return Cancelled::EndedBefore };
    // Of two who cancel at once, the first is told of.
    let _ = entry.cancelled_by.set(by.email.clone());
    entry.cancel.cancel();
    // Too long, or a task that is gone: the caller sees in the database what came of it.
    let _ = timeout(PATIENCE, entry.end.subscribe().wait_for(Option::is_some)).await;
    Cancelled::Told
}
