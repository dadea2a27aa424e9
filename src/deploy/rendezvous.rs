//! Where somebody who wants to attach to a one-off command meets it: Heroku's rendezvous (heroku-api 3.13).
//!
//! The API tells the client a secret; the client opens a connection to the HTTP door and sends it as a line. From then on
//! the connection is the command's input and output.
//!
//! Heroku's client ends the input with a byte 0x04, because it never closes its half of the connection. hoist's own asks
//! for frames (`SECRET?framed`), so that the input can hold any byte: four bytes of length, big-endian, and as many bytes;
//! no length ends the input. Either way, a connection that ends has a client that is gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::model::WindowSize;

/// What every secret starts with, which no HTTP request does: its method is in capitals.
pub const RENDEZVOUS_MARK: u8 = b'a';

const FRAMED: &str = "framed";
const END_OF_INPUT: u8 = 0x04;
const PIECE_BYTES: usize = 64 * 1024;
/// The longest frame that hoist's client sends is a good deal shorter.
const MOST_FRAME_BYTES: u32 = 1024 * 1024;
/// Heroku's client throws the whole first piece away: what follows has to come as another one.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a client may take to read its greeting.
const GREETING_TIME: Duration = Duration::from_secs(10);
/// How long a client may take to read the rest and close its half.
const GOODBYE_TIME: Duration = Duration::from_secs(5);

/// A connection of either kind.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// The commands that wait for their client. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<HashMap<String, oneshot::Sender<Client>>>>);

/// A command's place to wait in, given up when dropped.
#[derive(Debug)]
pub(super) struct Meeting {
    pub(super) secret: String,
    client: oneshot::Receiver<Client>,
    waiting: Waiting,
}

/// Somebody who has come.
pub(super) struct Client {
    connection: Box<dyn Connection>,
    is_framed: bool,
    /// Dropped with the connection.
    done: oneshot::Sender<()>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("is_framed", &self.is_framed).finish_non_exhaustive()
    }
}

impl Waiting {
    pub(super) fn meet(&self) -> Meeting {
        // 122 random bits that only whoever started the command is told.
        let secret = format!("attach-{}", Uuid::new_v4().simple());
        let (sender, client) = oneshot::channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(secret.clone(), sender);
        Meeting { secret, client, waiting: self.clone() }
    }

    /// Brings a client to the command that waits for it, and waits until they are through. `false` when nobody waits for
    /// this line.
    pub(super) async fn bring(&self, line: &str, connection: Box<dyn Connection>) -> bool {
        let (secret, query) = line.split_once('?').unwrap_or((line, ""));
        let command = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(secret);
        let Some(command) = command else { return false };
        let (done, through) = oneshot::channel();
        if command.send(Client { connection, is_framed: query == FRAMED, done }).is_err() {
            return false;
        }
        // The error is the message: the other end has been dropped.
        let _ = through.await;
        true
    }
}

impl Meeting {
    /// Waits for the client; `None` when it does not come in time.
    pub(super) async fn client(&mut self, time: Duration) -> Option<Client> {
        timeout(time, &mut self.client).await.ok()?.ok()
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.secret);
    }
}

/// A client that has been greeted.
pub(super) struct Attached {
    /// What it sends to the command.
    pub(super) input: DuplexStream,
    /// Where the command's output goes.
    pub(super) output: WriteHalf<Box<dyn Connection>>,
    pub(super) receiver: Receiver,
    /// Of the client, if it has one.
    pub(super) terminal: Option<WindowSize>,
    _done: oneshot::Sender<()>,
}

/// What comes in from a client.
pub(super) struct Receiver {
    reader: ReadHalf<Box<dyn Connection>>,
    to_command: Option<DuplexStream>,
    form: Form,
}

/// How a client sends what it sends.
enum Form {
    Frames,
    /// Ends with a byte 0x04.
    Bytes,
    /// From a terminal. It has no end: 0x04 is what was typed, for the command's own terminal to understand.
    Keys,
}

impl Client {
    pub(super) async fn greet(self, terminal: Option<WindowSize>) -> io::Result<Attached> {
        self.greet_within(GREETING_TIME, terminal).await
    }

    async fn greet_within(self, time: Duration, terminal: Option<WindowSize>) -> io::Result<Attached> {
        let (reader, mut output) = tokio::io::split(self.connection);
        let greet = async {
            output.write_all(b"rendezvous\r\n").await?;
            output.flush().await
        };
        timeout(time, greet).await??;
        sleep(PAUSE).await;
        let (input, to_command) = tokio::io::duplex(PIECE_BYTES);
        let form = match (self.is_framed, terminal) {
            (true, _) => Form::Frames,
            (false, None) => Form::Bytes,
            (false, Some(_)) => Form::Keys,
        };
        let receiver = Receiver { reader, to_command: Some(to_command), form };
        Ok(Attached { input, output, receiver, terminal, _done: self.done })
    }
}

impl Attached {
    /// Adds the last words and closes the connection in order: an abrupt end would be an error for the client.
    pub(super) async fn close(mut self, words: &[String]) {
        let line_end = if self.terminal.is_some() { "\r\n" } else { "\n" };
        let goodbye = async {
            for word in words {
                self.output.write_all(format!("{word}{line_end}").as_bytes()).await?;
            }
            self.output.shutdown().await?;
            // Heroku's client may be sending its 0x04 just now, and closing on it would be abrupt.
            tokio::io::copy(&mut self.receiver.reader, &mut tokio::io::sink()).await
        };
        // A client that is gone, or does not close its half, needs no goodbye.
        let _ = timeout(GOODBYE_TIME, goodbye).await;
    }
}

impl Receiver {
    /// Hands what the client sends to the command, and ends when the client has gone away.
    pub(super) async fn receive(&mut self) {
        // An error on the connection is its end.
        let _ = match self.form {
            Form::Frames => self.receive_frames().await,
            Form::Bytes | Form::Keys => self.receive_bytes().await,
        };
    }

    async fn receive_frames(&mut self) -> io::Result<()> {
        loop {
            let length = self.reader.read_u32().await?;
            if length > MOST_FRAME_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut frame = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            self.reader.read_exact(&mut frame).await?;
            if frame.is_empty() { self.to_command = None } else { self.pass_on(&frame).await }
        }
    }

    async fn receive_bytes(&mut self) -> io::Result<()> {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let length = self.reader.read(&mut piece).await?;
            match piece[..length].split_last() {
                None => return Ok(()),
                Some((&END_OF_INPUT, rest)) if matches!(self.form, Form::Bytes) => {
                    self.pass_on(rest).await;
                    self.to_command = None;
                }
                Some(_) => self.pass_on(&piece[..length]).await,
            }
        }
    }

    /// What comes after the input's end, or is not wanted by the command, is dropped.
    async fn pass_on(&mut self, bytes: &[u8]) {
        if let Some(to_command) = &mut self.to_command
            && to_command.write_all(bytes).await.is_err()
        {
            self.to_command = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the command gets of what a client sends, in these pieces, before it goes away.
    async fn received(query: &str, pieces: &[&[u8]]) -> Vec<u8> {
        let waiting = Waiting::default();
        let mut meeting = waiting.meet();
        let (mut client, ours) = tokio::io::duplex(1024);
        let line = format!("{}{query}", meeting.secret);
        let bringing = tokio::spawn(async move { waiting.bring(&line, Box::new(ours)).await });
        let mut attached = meeting.client(Duration::from_mins(1)).await.unwrap().greet(None).await.unwrap();
        let mut greeting = [0; 12];
        client.read_exact(&mut greeting).await.unwrap();
        assert_eq!(&greeting, b"rendezvous\r\n");
        let send = async {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
            }
            drop(client);
        };
        let mut got = Vec::new();
        let read = async {
            attached.input.read_to_end(&mut got).await.unwrap();
        };
        let receive = async {
            attached.receiver.receive().await;
            attached.receiver.to_command = None;
        };
        tokio::join!(send, receive, read);
        drop(attached);
        assert!(bringing.await.unwrap());
        got
    }

    #[tokio::test]
    async fn a_client_that_reads_no_greeting_is_given_up() {
        let waiting = Waiting::default();
        let mut meeting = waiting.meet();
        let secret = meeting.secret.clone();
        let (_client, ours) = tokio::io::duplex(1);
        let bringing = tokio::spawn(async move { waiting.bring(&secret, Box::new(ours)).await });
        let client = meeting.client(Duration::from_mins(1)).await.unwrap();
        assert!(
            client
                .greet_within(Duration::from_millis(10), None)
                .await
                .is_err_and(|error| error.kind() == io::ErrorKind::TimedOut)
        );
        assert!(bringing.await.unwrap());
    }

    #[tokio::test]
    async fn herokus_client_ends_its_input_with_a_byte() {
        assert_eq!(received("", &[b"one\n\x04"]).await, b"one\n");
        assert_eq!(received("", &[b"one\n", b"\x04"]).await, b"one\n");
        assert_eq!(received("", &[b"a\x04b"]).await, b"a\x04b");
    }

    #[tokio::test]
    async fn hoists_client_sends_frames() {
        assert_eq!(received("?framed", &[b"\0\0\0\x02a\x04\0\0", b"\0\x01b\0\0\0\0"]).await, b"a\x04b");
        assert_eq!(received("?framed", &[b"\0\0\0\x01a\xff\xff\xff\xffb"]).await, b"a");
    }

    #[tokio::test]
    async fn only_who_knows_the_secret_is_let_in_and_only_once() {
        let waiting = Waiting::default();
        let mut meeting = waiting.meet();
        let secret = meeting.secret.clone();
        assert_eq!(secret.as_bytes()[0], RENDEZVOUS_MARK);
        let bring = async |line: &str| waiting.bring(line, Box::new(tokio::io::duplex(1).0)).await;
        assert!(!bring("attach-0").await);
        let (first, came) = tokio::join!(bring(&secret), async { meeting.client(Duration::from_mins(1)).await.is_some() });
        assert!(first && came);
        assert!(!bring(&secret).await);
        let given_up = waiting.meet();
        let secret = given_up.secret.clone();
        drop(given_up);
        assert!(!bring(&secret).await);
    }
}
