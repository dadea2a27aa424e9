//! The conversation with a git server (gitprotocol-v2(5); older servers: gitprotocol-pack(5)). Blocks.

use std::cell::RefCell;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::rc::Rc;

use gix_hash::ObjectId;
use gix_protocol::fetch::{Arguments, Response};
use gix_protocol::handshake::Ref;
use gix_protocol::ls_refs::RefPrefixes;
use gix_protocol::{Command, Handshake, LsRefsCommand};
use gix_transport::client::blocking_io::{ExtendedBufRead, Transport};
use gix_transport::{Protocol, Service};
use gix_utils::progress::Discard;

use super::budget::Budget;
use crate::model::RefName;

/// Most that is kept of a server's own words.
const MAX_WORDS: usize = 1000;

/// What is asked for: some commits back from here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tip<'a> {
    pub at: At<'a>,
    /// How many commits are to come, counted from the tip.
    pub depth: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum At<'a> {
    Commit(&'a ObjectId),
    Ref(&'a RefName),
}

/// Why a server gave nothing.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It gives out nothing but what refs lead to.
    Unadvertised,
    NoRef,
    ObjectFormat(String),
    /// It says so itself.
    Refused(String),
    /// The connection broke, or it speaks something else.
    Failed(String),
    /// Nobody takes the pack any more.
    Unread,
}

/// The refs whose names begin so, and what each leads to.
pub(super) fn list_refs(mut transport: impl Transport, prefixes: &[String]) -> Result<Vec<(String, ObjectId)>, Trouble> {
    let hello = greet(&mut transport)?;
    let listed = listed(&mut transport, &hello, prefixes)?;
    Ok(listed.iter().filter_map(|at| Some((at.unpack().0.to_string(), object(at)?))).collect())
}

/// Asks for commits and writes the pack that comes.
pub(super) fn fetch_pack(
    mut transport: impl Transport,
    tip: Tip<'_>,
    budget: &Budget,
    out: &mut impl Write,
) -> Result<(), Trouble> {
    let hello = greet(&mut transport)?;
    let want = match tip.at {
        At::Ref(name) => ref_of(&mut transport, &hello, name)?,
        At::Commit(id) if may_ask(&hello, id) => *id,
        At::Commit(_) => return Err(Trouble::Unadvertised),
    };
    let version = hello.server_protocol_version;
    let mut arguments = Arguments::new(version, features(&hello), false);
    arguments.add_feature("no-progress");
    arguments.want(want);
    if arguments.can_use_deepen() {
        arguments.deepen(tip.depth);
    }
    let mut answer = arguments.send(&mut transport, true).map_err(failed)?;
    let response = Response::from_line_reader(version, &mut answer, true, false).map_err(failed)?;
    if !response.has_pack() {
        return Err(Trouble::Failed("it sends no pack".into()));
    }
    budget.lift();
    copy_pack(answer, out)
}

fn greet(transport: &mut impl Transport) -> Result<Handshake, Trouble> {
    // Whoever made the transport has put the credentials in.
    let no_helper = |_| Ok(None);
    let hello = gix_protocol::handshake(transport, Service::UploadPack, no_helper, Vec::new(), &mut Discard).map_err(failed)?;
    let format = hello.capabilities.capability("object-format").and_then(|format| Some(format.value()?.to_string()));
    match format {
        Some(format) if format != "sha1" => Err(Trouble::ObjectFormat(format.chars().take(20).collect())),
        _ => Ok(hello),
    }
}

/// Whether the server may be asked for a commit by its id. By version 2 it always may; it refuses what it does not have.
fn may_ask(hello: &Handshake, id: &ObjectId) -> bool {
    let can = |name: &str| hello.capabilities.contains(name);
    hello.server_protocol_version == Protocol::V2
        || can("allow-reachable-sha1-in-want")
        || can("allow-any-sha1-in-want")
        || hello.refs.iter().flatten().any(|at| object(at) == Some(*id))
}

fn ref_of(transport: &mut impl Transport, hello: &Handshake, name: &RefName) -> Result<ObjectId, Trouble> {
    let listed = listed(transport, hello, &[name.to_string()])?;
    let found = listed.iter().find(|at| at.unpack().0 == name.as_str());
    found.and_then(object).ok_or(Trouble::NoRef)
}

/// The refs that the server has told of by itself, or those that begin so.
fn listed(transport: &mut impl Transport, hello: &Handshake, prefixes: &[String]) -> Result<Vec<Ref>, Trouble> {
    if let Some(refs) = &hello.refs {
        return Ok(refs.clone());
    }
    let mut asked = RefPrefixes::new();
    asked.extend(prefixes.iter().map(|prefix| prefix.as_str().into()));
    let ask = LsRefsCommand::new(Some(asked), &hello.capabilities, ("agent", Some(agent())));
    ask.invoke_blocking(transport, &mut Discard, false).map_err(failed)
}

/// The commit that a ref leads to.
fn object(at: &Ref) -> Option<ObjectId> {
    let (_, value, peeled) = at.unpack();
    peeled.or(value).map(ToOwned::to_owned)
}

/// What is used of what the server can do. Progress stays on its side-band, and packs come from it alone.
fn features(hello: &Handshake) -> Vec<gix_protocol::command::Feature> {
    let unused = ["sideband-all", "packfile-uris", "wait-for-done", "no-progress", "include-tag"];
    let known = Command::Fetch.default_features(hello.server_protocol_version, &hello.capabilities);
    let used = known.into_iter().filter(|(name, _)| !unused.contains(name));
    used.chain([("agent", Some(agent()))]).collect()
}

fn agent() -> String {
    concat!("hoist/", env!("CARGO_PKG_VERSION")).to_owned()
}

/// Copies the pack off its side-band. What the server says beside it is kept if it says that it has failed.
fn copy_pack<'a>(mut answer: Box<dyn ExtendedBufRead<'a> + Unpin + 'a>, out: &mut impl Write) -> Result<(), Trouble> {
    let said = Rc::new(RefCell::new(Vec::new()));
    let saying = Rc::clone(&said);
    answer.set_progress_handler(Some(Box::new(move |is_error, text: &[u8]| {
        if is_error {
            let room = MAX_WORDS.saturating_sub(saying.borrow().len());
            saying.borrow_mut().extend_from_slice(&text[..text.len().min(room)]);
        }
        ControlFlow::Continue(())
    })));
    let refused = || Some(words(&said.borrow())).filter(|words| !words.is_empty()).map(Trouble::Refused);
    loop {
        let count = match answer.fill_buf() {
            Ok([]) => return refused().map_or(Ok(()), Err),
            Ok(piece) => {
                out.write_all(piece).map_err(|_| Trouble::Unread)?;
                piece.len()
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(refused().unwrap_or_else(|| failed(error))),
        };
        answer.consume(count);
    }
}

/// Tells what a server says from what it fails to say.
fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Trouble {
    let error = gix_error::Error::from_error(error);
    let mut texts = Vec::new();
    for error in error.iter_errors() {
        // `io::Error` does not tell its inner error as its source.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let refused = error.downcast_ref().or_else(|| inner.and_then(|inner| inner.downcast_ref()));
        if let Some(gix_packetline::read::Error { message }) = refused {
            return refusal(message);
        }
        texts.push(error.to_string());
    }
    texts.dedup();
    Trouble::Failed(words(texts.join(": ").as_bytes()))
}

/// What upload-pack says of an id that it does not give out, or does not have (git's `upload-pack.c`).
fn refusal(message: &[u8]) -> Trouble {
    let words = words(message);
    if words.contains("not our ref") { Trouble::Unadvertised } else { Trouble::Refused(words) }
}

/// A stranger's words, fit for a log.
fn words(text: &[u8]) -> String {
    String::from_utf8_lossy(text).trim().escape_debug().take(MAX_WORDS).collect()
}
