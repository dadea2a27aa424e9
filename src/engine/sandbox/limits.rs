//! Watches, while a command runs, the limits that the kernel does not hold: the disk always, memory where there is
//! no cgroup.
//!
//! The disk is watched by adding up the writable layer now and then, so a command may go past its limit for as long
//! as that takes to be seen; the kernel holds only the size of each single file. Files that are deleted but still
//! open count, too; of those that are only mapped, or on their way through a socket, nobody here learns.

use std::time::{Duration, Instant};

use super::environment::Environment;
use super::protocol::{Reply, Request};
use crate::engine::{EngineError, Exit};

/// First and longest pause between two looks at the disk.
pub(in crate::engine) const DISK_INTERVALS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// A pause is at least this many times what the look before took, so that watching stays under 5 % of a CPU.
const DISK_RESTRAINT: u32 = 20;

/// Pause between two looks at memory.
pub(super) const MEMORY_INTERVAL: Duration = Duration::from_millis(200);

/// Waits until the disk is used up, as `measure` tells.
pub(in crate::engine) async fn watch_disk<M>(limit_bytes: u64, measure: impl Fn() -> M) -> Result<Exit, EngineError>
where
    M: Future<Output = Result<u64, EngineError>>,
{
    let mut pause = DISK_INTERVALS.0;
    loop {
        tokio::time::sleep(pause).await;
        let begin = Instant::now();
        if measure().await? > limit_bytes {
            return Ok(Exit::OutOfDisk);
        }
        pause = pause_after(pause, begin.elapsed());
    }
}

/// The pause after a look that took so long.
pub(in crate::engine) fn pause_after(last_pause: Duration, look: Duration) -> Duration {
    let longest = DISK_INTERVALS.1;
    (look * DISK_RESTRAINT).clamp(last_pause.mul_f32(1.2).min(longest), longest)
}

/// Disk space taken by an environment's writable layer.
pub(super) async fn disk_bytes(environment: &Environment) -> Result<u64, EngineError> {
    match environment.ask(&Request::MeasureDisk).await? {
        Reply::Disk { bytes } => Ok(bytes),
        reply => Err(out_of_turn(&reply)),
    }
}

/// Waits until memory is used up. Notes in `most_threads` how many threads there were at the most.
pub(super) async fn watch_memory(
    environment: &Environment,
    limit_bytes: u64,
    most_threads: &mut u32,
) -> Result<Exit, EngineError> {
    loop {
        match environment.ask(&Request::MeasureMemory).await? {
            Reply::Memory { bytes, threads } => {
                *most_threads = threads.max(*most_threads);
                if bytes > limit_bytes {
                    return Ok(Exit::OutOfMemory);
                }
            }
            reply => return Err(out_of_turn(&reply)),
        }
        tokio::time::sleep(MEMORY_INTERVAL).await;
    }
}

pub(in crate::engine) fn out_of_turn(reply: &Reply) -> EngineError {
    EngineError::new(match reply {
        Reply::Failed(what) | Reply::Refused(what) => what.clone(),
        reply => format!("the sandbox replied {reply:?} out of turn"),
    })
}
