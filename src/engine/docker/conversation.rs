//! One request and its answer, as the daemon has them: frames to and from a process in the container.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::try_join;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Mutex, Semaphore, mpsc};

use super::frames::{self, Answer, Kind, PIECE_BYTES, WINDOW};
use crate::docker::Streams;
use crate::engine::EngineError;
use crate::engine::sandbox::cgroup::Events;
use crate::engine::sandbox::environment::REPLY_TIMEOUT;
use crate::engine::sandbox::limits::out_of_turn;

/// The frames' two ways. Who drops it calls the request off.
pub(super) struct Conversation {
    to: Pin<Box<dyn AsyncWrite + Send>>,
    from: Frames,
    /// Disk space of deleted files, as the other side has told it last.
    unlinked_bytes: Arc<AtomicU64>,
}

/// The frames that come; waiting for one may be given up and begun again.
struct Frames {
    pieces: Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>,
    buffer: BytesMut,
}

impl Frames {
    async fn next(&mut self) -> Result<(Kind, Bytes), EngineError> {
        let cannot = |error| EngineError::io("the container's side of a request failed", error);
        loop {
            if let Some(frame) = frames::take(&mut self.buffer).map_err(cannot)? {
                return Ok(frame);
            }
            match self.pieces.next().await {
                Some(piece) => self.buffer.extend_from_slice(&piece.map_err(cannot)?),
                None => return Err(EngineError::new("the container ended without a reply")),
            }
        }
    }

    /// Waits for the answer; what comes before it is nobody's.
    async fn answer(&mut self) -> Result<Answer, EngineError> {
        loop {
            if let (Kind::Reply, bytes) = self.next().await? {
                return parse(&bytes);
            }
        }
    }
}

impl Conversation {
    /// Begins with what is to be done.
    pub(super) async fn begin(streams: Streams, what: &impl Serialize) -> Result<Self, EngineError> {
        let bytes = serde_json::to_vec(what).map_err(|error| EngineError::io("cannot word a request", error))?;
        if frames::header(Kind::Call, bytes.len()).is_err() {
            return Err(EngineError::new("arguments and environment of the command are too large"));
        }
        let from = Frames { pieces: streams.output, buffer: BytesMut::new() };
        let mut conversation = Self { to: streams.input, from, unlinked_bytes: Arc::default() };
        let sent = tokio::time::timeout(REPLY_TIMEOUT, send(&mut conversation.to, Kind::Call, &bytes)).await;
        sent.map_err(io::Error::from).flatten().map_err(|error| EngineError::io("the container takes no requests", error))?;
        Ok(conversation)
    }

    /// Waits until the other side is ready for the request. Returns how often the container has run into a limit so far.
    pub(super) async fn ready(&mut self) -> Result<Events, EngineError> {
        match in_time(REPLY_TIMEOUT, self.from.next()).await? {
            (Kind::Ready, bytes) => parse(&bytes),
            (Kind::Reply, bytes) => Err(out_of_turn(&parse::<Answer>(&bytes)?.reply)),
            (kind, _) => Err(EngineError::new(format!("the container said {kind:?} out of turn"))),
        }
    }

    /// Where it is told, while a command runs, how much disk space deleted files take.
    pub(super) fn unlinked_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.unlinked_bytes)
    }

    /// Waits for the answer to a request that has neither input nor output.
    pub(super) async fn answer(&mut self) -> Result<Answer, EngineError> {
        in_time(REPLY_TIMEOUT, self.from.answer()).await
    }

    /// Carries input and outputs until the answer comes, which may take as long as `rest` from the input's end on. Returns
    /// how reading the input went, too. What is given up half-way can only be hung up. An output that takes nothing keeps
    /// nobody from hearing what else is told.
    pub(super) async fn carry(
        &mut self,
        input: impl AsyncRead + Unpin,
        rest: Option<Duration>,
        mut stdout: impl AsyncWrite + Unpin,
        mut stderr: impl AsyncWrite + Unpin,
    ) -> Result<(Answer, io::Result<()>), EngineError> {
        let Self { to, from, unlinked_bytes } = self;
        let (to, window) = (&Mutex::new(to), &Semaphore::new(WINDOW));
        let (pieces, mut queue) = mpsc::channel(WINDOW);
        let mut fed = Ok(());
        let feeding = async {
            fed = feed(input, to, window).await;
            match rest {
                Some(rest) => tokio::time::sleep(rest).await,
                None => pending().await,
            }
        };
        let taking = async move {
            loop {
                match from.next().await? {
                    (Kind::Reply, bytes) => return parse::<Answer>(&bytes),
                    (Kind::Taken, _) => window.add_permits(1),
                    (Kind::Unlinked, bytes) => unlinked_bytes.store(parse(&bytes)?, Ordering::Relaxed),
                    piece => pieces.try_send(piece).map_err(|_| EngineError::new("the container says more than is taken"))?,
                }
            }
        };
        let handing_on = async {
            while let Some((kind, piece)) = queue.recv().await {
                let written = if kind == Kind::Stderr { stderr.write_all(&piece).await } else { stdout.write_all(&piece).await };
                written.map_err(unread)?;
                // To one that has answered, or has ended, it does not matter.
                let _ = send(&mut *to.lock().await, Kind::Taken, &[]).await;
            }
            Ok(())
        };
        // What was said before a failure is handed on as well.
        let answer = tokio::select! {
            carried = try_join(taking.map(Ok), handing_on) => carried?.0?,
            () = feeding => return Err(late(rest.unwrap_or_default())),
        };
        Ok((answer, fed))
    }

    /// Takes output until the answer comes. The other side may be silent for as long as `silence`.
    pub(super) async fn take(&mut self, silence: Duration, mut output: impl AsyncWrite + Unpin) -> Result<Answer, EngineError> {
        loop {
            match in_time(silence, self.from.next()).await? {
                (Kind::Reply, bytes) => return parse(&bytes),
                (_, piece) => output.write_all(&piece).await.map_err(unread)?,
            }
        }
    }

    /// Calls the request off, and waits until what it had started is dead.
    pub(super) async fn hang_up(mut self) -> Result<(), EngineError> {
        let closed = tokio::time::timeout(REPLY_TIMEOUT, self.to.shutdown()).await;
        closed.map_err(io::Error::from).flatten().map_err(|error| EngineError::io("cannot call a request off", error))?;
        self.answer().await.map(drop)
    }
}

/// Sends the input to its end. A container that takes no more has answered, or has ended, which is heard on the way back.
async fn feed(mut input: impl AsyncRead + Unpin, to: &Mutex<impl AsyncWrite + Unpin>, window: &Semaphore) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    let read = loop {
        window.acquire().await.expect("never closed").forget();
        match input.read(&mut piece).await {
            Ok(0) => break Ok(()),
            Ok(length) if send(&mut *to.lock().await, Kind::Input, &piece[..length]).await.is_ok() => {}
            Ok(_) => pending().await,
            Err(error) => break Err(error),
        }
    };
    if send(&mut *to.lock().await, Kind::InputEnd, &[]).await.is_err() {
        pending::<()>().await;
    }
    read
}

async fn send(to: &mut (impl AsyncWrite + Unpin), kind: Kind, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&frames::header(kind, bytes.len())?).await?;
    to.write_all(bytes).await?;
    to.flush().await
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, EngineError> {
    serde_json::from_slice(bytes).map_err(|error| EngineError::io("cannot read the container's answer", error))
}

async fn in_time<T>(limit: Duration, reply: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
    tokio::time::timeout(limit, reply).await.map_err(|_| late(limit))?
}

fn unread(error: io::Error) -> EngineError {
    EngineError::io("nobody reads what comes out of the container", error)
}

fn late(limit: Duration) -> EngineError {
    EngineError::new(format!("the container did not reply within {} s", limit.as_secs()))
}

#[cfg(test)]
mod tests {
    use tokio::io::{duplex, empty, sink};
    use tokio_util::io::ReaderStream;

    use super::*;
    use crate::engine::sandbox::protocol::Reply;

    /// The streams of a process that says this and hears everything.
    fn with(said: Vec<u8>) -> Streams {
        Streams { input: Box::pin(sink()), output: Box::pin(ReaderStream::new(io::Cursor::new(said))) }
    }

    fn reply() -> Vec<u8> {
        let mut said = Vec::new();
        let answer = Answer { reply: Reply::Done, events: Events { out_of_memory: 1, out_of_pids: 0 } };
        for (kind, bytes) in [(Kind::Stdout, &b"out"[..]), (Kind::Unlinked, b"7"), (Kind::Stderr, b"err"), (Kind::Stdout, b"put")]
        {
            frames::write(&mut said, kind, bytes).unwrap();
        }
        frames::write(&mut said, Kind::Reply, &serde_json::to_vec(&answer).unwrap()).unwrap();
        said
    }

    #[tokio::test]
    async fn outputs_are_told_apart_until_the_answer() {
        let mut conversation = Conversation::begin(with(reply()), &"what").await.unwrap();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let (answer, fed) = conversation.carry(empty(), None, &mut stdout, &mut stderr).await.unwrap();
        assert_eq!((&stdout[..], &stderr[..]), (&b"output"[..], &b"err"[..]));
        assert!(matches!(answer.reply, Reply::Done) && fed.is_ok());
        assert_eq!(conversation.unlinked_bytes().load(Ordering::Relaxed), 7);
        assert_eq!(answer.events, Events { out_of_memory: 1, out_of_pids: 0 });
    }

    #[tokio::test]
    async fn an_end_without_an_answer_is_an_error() {
        let mut said = reply();
        said.pop();
        let mut conversation = Conversation::begin(with(said), &"what").await.unwrap();
        let error = conversation.carry(empty(), None, sink(), sink()).await.unwrap_err();
        assert_eq!(error.to_string(), "the container ended without a reply");
    }

    #[tokio::test]
    async fn what_is_told_is_heard_while_nobody_reads_the_output() {
        let mut said = Vec::new();
        for _ in 0..WINDOW {
            frames::write(&mut said, Kind::Stdout, b"unread").unwrap();
        }
        frames::write(&mut said, Kind::Unlinked, b"7").unwrap();
        let output = futures_util::stream::iter([Ok(said.into())]).chain(futures_util::stream::pending());
        let streams = Streams { input: Box::pin(sink()), output: Box::pin(output) };
        let mut conversation = Conversation::begin(streams, &"what").await.unwrap();
        let (full, _unread) = duplex(1);
        assert!(conversation.carry(empty(), None, full, sink()).now_or_never().is_none());
        assert_eq!(conversation.unlinked_bytes().load(Ordering::Relaxed), 7);
    }

    #[tokio::test]
    async fn what_is_silent_for_too_long_is_given_up() {
        let (mut said, heard) = duplex(1 << 10);
        said.write_all(&frames::header(Kind::Stdout, 3).unwrap()).await.unwrap();
        said.write_all(b"tar").await.unwrap();
        let streams = Streams { input: Box::pin(sink()), output: Box::pin(ReaderStream::new(heard)) };
        let mut conversation = Conversation::begin(streams, &"what").await.unwrap();
        let mut taken = Vec::new();
        let error = conversation.take(Duration::from_millis(10), &mut taken).await.unwrap_err();
        assert_eq!((&taken[..], &*error.to_string()), (&b"tar"[..], "the container did not reply within 0 s"));
    }

    #[tokio::test]
    async fn input_is_sent_no_faster_than_it_is_taken() {
        let (ours, mut theirs) = duplex(1 << 20);
        let (mut said, heard) = duplex(1 << 10);
        let streams = Streams { input: Box::pin(ours), output: Box::pin(ReaderStream::new(heard)) };
        let mut conversation = Conversation::begin(streams, &"what").await.unwrap();
        let other_side = async {
            let call = frame_from(&mut theirs).await;
            for _ in 0..WINDOW {
                assert_eq!(frame_from(&mut theirs).await, (Kind::Input, PIECE_BYTES));
            }
            // All that is on its way has been read.
            assert!(theirs.read_u8().now_or_never().is_none());
            said.write_all(&frames::header(Kind::Taken, 0).unwrap()).await.unwrap();
            assert_eq!(frame_from(&mut theirs).await, (Kind::Input, PIECE_BYTES));
            call
        };
        let call = tokio::select! {
            carried = conversation.carry(tokio::io::repeat(7), None, sink(), sink()) => panic!("{:?}", carried.map(drop)),
            call = other_side => call,
        };
        assert_eq!(call, (Kind::Call, "\"what\"".len()));
    }

    /// A frame's kind and length.
    async fn frame_from(from: &mut (impl AsyncRead + Unpin)) -> (Kind, usize) {
        let mut buffer = BytesMut::new();
        loop {
            buffer.extend_from_slice(&[from.read_u8().await.unwrap()]);
            if let Some((kind, bytes)) = frames::take(&mut buffer).unwrap() {
                return (kind, bytes.len());
            }
        }
    }
}
