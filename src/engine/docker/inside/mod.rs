//! What runs in a container: `init` is its first process, `answer` answers one request beside it, with `relay`. Both talk in
//! frames over their standard input and output, and have a single thread when they start.

use std::io;
use std::process::ExitCode;

use super::frames::{self, Answer, Kind};
use crate::engine::sandbox::cgroup::Events;
use crate::engine::sandbox::protocol::Reply;

mod answer;
mod relay;

mod init;

/// Entry point of both processes, `hoist container-init` and `hoist container-answer`.
#[must_use]
pub fn inside_main(command: &str) -> ExitCode {
    // What lists processes shows the loader's name otherwise.
    let named = rustix::thread::set_name(c"hoist").map_err(io::Error::from);
    let done = named.and_then(|()| if command == "container-init" { init::init() } else { answer::answer() });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If the daemon is gone, nobody is left to be told.
            let _ = reply(Reply::Failed(error.to_string()), Events::default());
            ExitCode::FAILURE
        }
    }
}

/// Reads what this process was started for; nothing if nobody says.
fn read_call<T: serde::de::DeserializeOwned>() -> io::Result<Option<T>> {
    match frames::read(io::stdin())? {
        Some((Kind::Call, bytes)) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Some((kind, _)) => Err(io::Error::other(format!("a frame {kind:?} came out of turn"))),
        None => Ok(None),
    }
}

/// Tells what came of it.
fn reply(reply: Reply, events: Events) -> io::Result<()> {
    let answer = serde_json::to_vec(&Answer { reply, events })?;
    frames::write(io::stdout().lock(), Kind::Reply, &answer)
}
