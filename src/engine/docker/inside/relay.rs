//! Hands a request's input and output on, between pipes and frames.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::engine::docker::frames::{self, Kind, PIECE_BYTES, WINDOW};
use crate::engine::sandbox::cgroup::Events;
use crate::engine::sandbox::init::supervise::processes;
use crate::engine::sandbox::init::unlinked;
use crate::engine::sandbox::limits::{DISK_INTERVALS, pause_after};
use crate::engine::sandbox::protocol::{Reply, Request, Terminal, receive};

/// How long the rest of the output may take once the request is answered. Only a process of another command that was
/// handed the pipe can use this time up.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// This process's ends of a request's pipes.
#[derive(Default)]
pub(super) struct Ends {
    pub(super) input: Option<OwnedFd>,
    pub(super) outputs: Vec<(Kind, OwnedFd)>,
    /// Whether both come later, as one terminal.
    pub(super) is_terminal: bool,
}

/// Sends the request into the conversation and hands everything on until it is answered. All threads are there before
/// that, because a command may leave no room for another.
pub(super) fn relay(mut conversation: UnixStream, ends: Ends, request: &Request, before: Events) -> io::Result<Reply> {
    let (pieces, taken) = mpsc::sync_channel(WINDOW + 1);
    let (open, opened) = mpsc::channel();
    let hang_up = conversation.try_clone()?;
    let is_command = matches!(request, Request::Run { .. });
    let (made_room, room) = Room::new();
    start(move || read_input(&pieces, &made_room, &hang_up))?;
    start(move || write_input(&taken, &opened))?;
    let outputs = Outputs::start(ends.outputs, ends.is_terminal, is_command.then_some(room))?;
    frames::write(io::stdout().lock(), Kind::Ready, &serde_json::to_vec(&before)?)?;
    if is_command {
        start(tell_unlinked)?;
    }
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    conversation.write_all(&line)?;
    let terminal = if ends.is_terminal { take_terminal(&conversation)? } else { None };
    let input = terminal.as_ref().map(OwnedFd::try_clone).transpose()?.or(ends.input);
    // The threads live as long as this process.
    let _ = open.send(input);
    outputs.add(terminal);
    let mut bytes = Vec::new();
    conversation.read_to_end(&mut bytes)?;
    outputs.drain();
    serde_json::from_slice(&bytes).map_err(|_| io::Error::other("the request ended without a reply"))
}

/// Starts a thread, which goes with this process.
fn start(body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().spawn(body).map(drop)
}

/// Reads what the daemon sends, and calls the request off when it hangs up. The input is never too much for the queue,
/// since no more is sent than was taken.
fn read_input(pieces: &SyncSender<Vec<u8>>, made_room: &Sender<()>, conversation: &UnixStream) {
    while let Ok(Some((kind, bytes))) = frames::read(io::stdin()) {
        // The end is an empty piece.
        if matches!(kind, Kind::Input | Kind::InputEnd) && pieces.send(bytes).is_err() {
            break;
        }
        if kind == Kind::Taken {
            // An output that has ended needs none.
            let _ = made_room.send(());
        }
    }
    // If it is gone already, there is nothing to call off.
    let _ = conversation.shutdown(Shutdown::Write);
}

/// Writes input where it is wanted. What is not wanted any more is taken all the same.
fn write_input(pieces: &Receiver<Vec<u8>>, opened: &Receiver<Option<OwnedFd>>) {
    let mut input = opened.recv().ok().flatten().map(File::from);
    while let Ok(piece) = pieces.recv() {
        if piece.is_empty() || input.as_mut().is_some_and(|input| input.write_all(&piece).is_err()) {
            input = None;
        }
        if frames::write(io::stdout().lock(), Kind::Taken, &[]).is_err() {
            return;
        }
    }
}

/// Tells now and then how much disk space deleted files take, which the Engine does not see.
fn tell_unlinked() {
    let mut pause = DISK_INTERVALS.0;
    loop {
        std::thread::sleep(pause);
        let begin = Instant::now();
        // What can't be looked at now may be the next time: until then, what was told last holds.
        if let Ok(bytes) = processes().and_then(|processes| unlinked::bytes(Path::new("/"), &processes)) {
            let told = serde_json::to_vec(&bytes).expect("a number is JSON");
            if frames::write(io::stdout().lock(), Kind::Unlinked, &told).is_err() {
                return;
            }
        }
        pause = pause_after(pause, begin.elapsed());
    }
}

/// For how many more pieces of output there is room on the way. None comes any more once the daemon has hung up.
#[derive(Clone)]
struct Room(Arc<Mutex<Receiver<()>>>);

impl Room {
    /// With what makes more of it.
    fn new() -> (Sender<()>, Self) {
        let (made, room) = mpsc::channel();
        for _ in 0..WINDOW {
            // Both ends are here.
            let _ = made.send(());
        }
        (made, Self(Arc::new(Mutex::new(room))))
    }

    /// Waits for room for one more; `false` if none comes.
    fn take(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).recv().is_ok()
    }
}

/// The threads that hand outputs on.
struct Outputs {
    terminal: Sender<OwnedFd>,
    /// Ends when the last of them has.
    ended: Receiver<()>,
}

impl Outputs {
    /// Without `room`, an output is all that is sent, and may fill the way.
    fn start(outputs: Vec<(Kind, OwnedFd)>, is_terminal: bool, room: Option<Room>) -> io::Result<Self> {
        let (is_running, ended) = mpsc::channel();
        let (terminal, opened) = mpsc::channel();
        for (kind, from) in outputs {
            let (is_running, room) = (is_running.clone(), room.clone());
            start(move || hand_on(kind, from, room.as_ref(), is_running))?;
        }
        if is_terminal {
            start(move || {
                if let Ok(from) = opened.recv() {
                    hand_on(Kind::Stdout, from, room.as_ref(), is_running);
                }
            })?;
        }
        Ok(Self { terminal, ended })
    }

    /// A terminal's output comes only now.
    fn add(&self, terminal: Option<OwnedFd>) {
        if let Some(terminal) = terminal {
            // The thread lives as long as this process.
            let _ = self.terminal.send(terminal);
        }
    }

    /// Waits for their ends, but not for long.
    fn drain(self) {
        drop(self.terminal);
        // Nothing is ever sent.
        let _ = self.ended.recv_timeout(DRAIN_TIMEOUT);
    }
}

/// Sends an output on, piece by piece; `is_running` goes with its end. One that cannot be read any more has ended.
fn hand_on(kind: Kind, from: OwnedFd, room: Option<&Room>, is_running: Sender<()>) {
    let mut from = File::from(from);
    let mut piece = vec![0; PIECE_BYTES];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        if !room.is_none_or(Room::take) || frames::write(io::stdout().lock(), kind, &piece[..length]).is_err() {
            break;
        }
    }
    drop(is_running);
}

/// Takes this end of a command's terminal; nothing if there is none, which the reply tells.
fn take_terminal(conversation: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let received = receive::<Terminal>(conversation.as_fd())?;
    Ok(received.and_then(|(Terminal, files)| files.into_iter().next()))
}
