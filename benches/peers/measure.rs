//! Times, taken in turns.

use std::process::Command;
use std::time::{Duration, Instant};

/// Time between two measurements, for what the one leaves to be done in the background: the kernel takes up to a quarter
/// of a second to clear away an environment's network.
const PAUSE: Duration = Duration::from_millis(400);

/// The medians of both sides.
pub(crate) struct Medians {
    pub(crate) hoist: Duration,
    pub(crate) peer: Duration,
}

/// Calls both sides, which say what they took, in each round with the round's number; who begins changes. Round 0 warms
/// up and does not count.
pub(crate) fn in_turns(
    rounds: usize,
    mut hoist: impl FnMut(usize) -> Duration,
    mut peer: impl FnMut(usize) -> Duration,
) -> Medians {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let mut ours_of_round = || {
            std::thread::sleep(PAUSE);
            ours.push(hoist(round));
        };
        let mut theirs_of_round = || {
            std::thread::sleep(PAUSE);
            theirs.push(peer(round));
        };
        if round % 2 == 0 {
            ours_of_round();
            theirs_of_round();
        } else {
            theirs_of_round();
            ours_of_round();
        }
    }
    Medians { hoist: median("hoist", ours.split_off(1)), peer: median("peer", theirs.split_off(1)) }
}

/// The wall time of a command, which must succeed.
pub(crate) fn time(command: &mut Command) -> Duration {
    let start = Instant::now();
    let output = command.output().expect("the program can be started");
    let time = start.elapsed();
    assert!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    time
}

/// The median of what one side took, which is printed.
pub(crate) fn median(side: &str, mut times: Vec<Duration>) -> Duration {
    times.sort();
    let median = times[times.len() / 2];
    println!("  {side:5} {median:.1?} ({:.1?} to {:.1?}, {} rounds)", times[0], times[times.len() - 1], times.len());
    median
}
