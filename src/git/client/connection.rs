//! The ways to a git server, as transports of gix.
//!
//! gix's own HTTP transports bring their own HTTP clients, which know nothing of the addresses that hoist may connect to.

use std::any::Any;
use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use gix_packetline::PacketLineRef;
use gix_packetline::blocking_io::StreamingPeekableIter;
use gix_transport::bstr::BStr;
use gix_transport::client::blocking_io::{RequestWriter, SetServiceResponse, Transport};
use gix_transport::client::capabilities::blocking_recv::Handshake;
use gix_transport::client::{Error, MessageKind, TransportWithoutIO, WriteMode};
use gix_transport::{Protocol, Service};

use super::budget::{Bounded, Budget};

/// A way to one repository on a git server.
pub enum Connection {
    /// Carries out an exchange and returns its answer, which it has found to be a good one.
    Http(Box<Carrier>),
    /// Input and output of a `git-upload-pack` that runs at the other end.
    Stream { input: Box<dyn Write + Send>, output: Box<dyn Read + Send> },
}

type Answer = Box<dyn Read + Send>;
type Carrier = dyn FnMut(Exchange) -> io::Result<Answer> + Send;

/// A question over HTTP (gitprotocol-http(5)). Each asks for version 2 of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchange {
    /// What the server can do, and its refs.
    Discover,
    /// This is posted.
    Command(Vec<u8>),
}

impl Exchange {
    /// What follows the repository's URL.
    #[must_use]
    pub fn suffix(&self) -> &'static str {
        match self {
            Self::Discover => "info/refs?service=git-upload-pack",
            Self::Command(_) => "git-upload-pack",
        }
    }

    /// What the answer must say it is.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Discover => "application/x-git-upload-pack-advertisement",
            Self::Command(_) => "application/x-git-upload-pack-result",
        }
    }
}

/// A server that is asked over HTTP: each request stands by itself.
pub(super) struct Http {
    carrier: Rc<RefCell<Box<Carrier>>>,
    budget: Budget,
    lines: StreamingPeekableIter<Bounded<Body>>,
}

impl Http {
    pub(super) fn new(carrier: Box<Carrier>, budget: Budget) -> Self {
        let lines = lines(budget.bound(Body::Answer(Box::new(io::empty()))));
        Self { carrier: Rc::new(RefCell::new(carrier)), budget, lines }
    }
}

fn lines<R: Read>(answer: R) -> StreamingPeekableIter<R> {
    let mut lines = StreamingPeekableIter::new(answer, &[PacketLineRef::Flush], false);
    lines.fail_on_err_lines(true);
    lines
}

/// An answer, or what will be one once everything has been asked.
enum Body {
    Asking { asked: Rc<RefCell<Vec<u8>>>, carrier: Rc<RefCell<Box<Carrier>>> },
    Answer(Answer),
}

impl Read for Body {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if let Self::Asking { asked, carrier } = self {
            let command = Exchange::Command(std::mem::take(&mut *asked.borrow_mut()));
            let answer = (carrier.borrow_mut())(command)?;
            *self = Self::Answer(answer);
        }
        let Self::Answer(answer) = self else { return Ok(0) };
        answer.read(bytes)
    }
}

/// Gathers what is asked, until the answer is read.
struct Asked(Rc<RefCell<Vec<u8>>>);

impl Write for Asked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TransportWithoutIO for Http {
    fn to_url(&self) -> Cow<'_, BStr> {
        // Only helpers for credentials ask for it, of which there are none.
        Cow::Borrowed(BStr::new(""))
    }

    fn connection_persists_across_multiple_requests(&self) -> bool {
        false
    }

    fn configure(&mut self, _: &dyn Any) -> gix_error::Result {
        Ok(())
    }
}

impl Transport for Http {
    fn handshake<'a>(&mut self, _: Service, _: &'a [(&'a str, Option<&'a str>)]) -> Result<SetServiceResponse<'_>, Error> {
        let answer = (self.carrier.borrow_mut())(Exchange::Discover)?;
        self.lines = lines(self.budget.bound(Body::Answer(answer)));
        // The announcement `# service=git-upload-pack`, which version 2 may leave out.
        let is_announced = match self.lines.peek_line() {
            Some(Ok(Ok(line))) => line.as_slice().is_some_and(|line| line.starts_with(b"# service=")),
            Some(Err(error)) => return Err(error.into()),
            _ => false,
        };
        if is_announced {
            while self.lines.read_line().transpose()?.is_some() {}
            self.lines.reset();
        }
        let Handshake { capabilities, refs, protocol } = Handshake::from_lines_with_version_detection(&mut self.lines)?;
        Ok(SetServiceResponse { actual_protocol: protocol, capabilities, refs })
    }

    fn request(&mut self, write_mode: WriteMode, on_into_read: MessageKind, trace: bool) -> Result<RequestWriter<'_>, Error> {
        let asked = Rc::new(RefCell::new(Vec::new()));
        let body = Body::Asking { asked: Rc::clone(&asked), carrier: Rc::clone(&self.carrier) };
        self.lines = lines(self.budget.bound(body));
        let answer = Box::new(self.lines.as_read_without_sidebands());
        Ok(RequestWriter::new_from_bufread(Asked(asked), answer, write_mode, on_into_read, trace))
    }
}

/// The transport of a stream; gix knows these.
pub(super) type Stream =
    gix_transport::client::git::blocking_io::Connection<Bounded<Box<dyn Read + Send>>, Box<dyn Write + Send>>;

pub(super) fn stream(input: Box<dyn Write + Send>, output: Box<dyn Read + Send>, budget: &Budget) -> Stream {
    use gix_transport::client::git::ConnectMode;
    Stream::new(budget.bound(output), input, Protocol::V2, "", None::<(&str, Option<u16>)>, ConnectMode::Process, false)
}
