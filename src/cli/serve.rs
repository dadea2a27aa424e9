//! `hoist serve`

use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Runtime;

use super::error::CliError;
use crate::config::{Config, ServeArgs};
use crate::server;

/// How long threads that block, such as one that removes an environment's files, may go on when everything else has
/// ended. They can't be cancelled, and the next start mends what they leave.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the daemon until it is told to stop.
pub(super) fn run(args: &ServeArgs) -> Result<(), CliError> {
    let config = Config::load(args).map_err(anyhow::Error::from)?;
    let runtime = Runtime::new().context("can't start the runtime")?;
    Ok(run_to_end(runtime, server::serve(config), PATIENCE)?)
}

/// Does `work` and then waits no longer than `patience` for what it has left running.
fn run_to_end<T>(runtime: Runtime, work: impl Future<Output = T>, patience: Duration) -> T {
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(patience);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_blocks_does_not_hold_up_the_end() {
        let (_open, never) = std::sync::mpsc::channel::<()>();
        let work = async {
            tokio::task::spawn_blocking(move || never.recv());
            7
        };
        assert_eq!(run_to_end(Runtime::new().unwrap(), work, Duration::from_millis(10)), 7);
    }
}
