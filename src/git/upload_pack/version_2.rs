//! Version 2 of the protocol (gitprotocol-v2(5)): one command after the other.

use std::sync::Arc;

use gix_hash::ObjectId;
use gix_packetline::Channel;
use tokio::io::{AsyncBufRead, AsyncWrite};

use super::FetchError;
use super::lines::Line;
use super::negotiation::{Have, Negotiation};
use super::packets::Band;
use super::packs::Packs;
use super::request::{Command, CommandReader, Fetch, LsRefs};
use super::send::{Conversation, boundary};
use super::shallow::Boundary;
use crate::git::pkt_line::{DELIMITER, FLUSH, encode_band, encode_line};

/// What became of a fetch's first part.
struct Opened {
    negotiation: Negotiation,
    fetch: Fetch,
    /// The client's objects that are here too, in its order.
    common: Vec<ObjectId>,
    /// Where history ends, if the pack follows.
    boundary: Option<Boundary>,
    is_ready: bool,
}

impl<R: AsyncBufRead + Unpin, W: AsyncWrite + Unpin> Conversation<'_, R, W> {
    /// Answers commands until the client has no more.
    pub(super) async fn version_2(&mut self) -> Result<(), FetchError> {
        while let Some(command) = self.read_command().await? {
            match command {
                Command::LsRefs(asked) => self.ls_refs(asked).await?,
                Command::Fetch(fetch) => self.fetch(*fetch).await?,
            }
            if self.is_stateless {
                break;
            }
        }
        Ok(())
    }

    async fn read_command(&mut self) -> Result<Option<Command>, FetchError> {
        self.lines.begin();
        self.output.end_side_band();
        let mut reader = CommandReader::default();
        let is_there = self.read_lines(&mut reader).await;
        // From here on errors belong on band 3, if the client listens to that.
        if reader.is_multiplexed() {
            self.output.begin_side_band();
        }
        if is_there? { reader.finish().map(Some) } else { Ok(None) }
    }

    /// Reads a command up to its flush; `false` when the client has no more.
    async fn read_lines(&mut self, reader: &mut CommandReader) -> Result<bool, FetchError> {
        let mut is_first = true;
        loop {
            match self.lines.next().await? {
                None | Some(Line::Flush) if is_first => return Ok(false),
                None => return Err(FetchError::Connection(std::io::ErrorKind::UnexpectedEof.into())),
                Some(Line::Flush) => return Ok(true),
                Some(Line::Delimiter) => reader.read_delimiter()?,
                Some(Line::Data(line)) => reader.read_line(&line)?,
            }
            is_first = false;
        }
    }

    async fn ls_refs(&mut self, asked: LsRefs) -> Result<(), FetchError> {
        let (packs, refs) = (self.source.packs.clone(), Arc::clone(&self.source.refs));
        let answer = self.source.fetches.step(move || Ok(refs.answer(&asked, || Packs::open(&packs))?)).await?;
        self.put(&answer).await
    }

    async fn fetch(&mut self, fetch: Fetch) -> Result<(), FetchError> {
        if fetch.wants.is_empty() && !fetch.wait_for_done {
            return Ok(());
        }
        let is_multiplexed = fetch.sideband_all;
        let Opened { negotiation, fetch, common, boundary, is_ready } = self.open(fetch).await?;
        let mut sections = Sections { is_multiplexed, out: Vec::new() };
        if !fetch.haves.is_empty() && !fetch.done {
            sections.acknowledge(&common, is_ready);
        }
        let Some(boundary) = boundary else {
            sections.out.extend_from_slice(FLUSH);
            return self.put(&sections.out).await;
        };
        if fetch.shallow.changes() || !fetch.shallow.client.is_empty() {
            sections.tell_boundary(&boundary);
        }
        sections.line("packfile\n");
        self.put(&sections.out).await?;
        self.send_pack(negotiation, fetch, boundary, Band::Large).await
    }

    /// Reads the repository as far as that is needed to answer.
    async fn open(&mut self, fetch: Fetch) -> Result<Opened, FetchError> {
        let (packs, refs) = (self.source.packs.clone(), Arc::clone(&self.source.refs));
        let (pulse, remembered) = (self.pulse.clone(), self.source.fetches.remembered());
        let open = move || {
            let mut negotiation = Negotiation::open(&packs, pulse, remembered)?;
            negotiation.want(&fetch.wants, &refs)?;
            let mut common = Vec::new();
            for id in &fetch.haves {
                if negotiation.have(id)? == Have::News {
                    common.push(*id);
                }
            }
            let is_ready = !fetch.done && !fetch.wait_for_done && negotiation.is_ready()?;
            let sends = !fetch.wants.is_empty() && (fetch.done || fetch.haves.is_empty() || is_ready);
            let boundary = if sends { Some(boundary(&mut negotiation, &fetch, &refs)?) } else { None };
            negotiation.packs.rest();
            Ok(Opened { negotiation, fetch, common, boundary, is_ready })
        };
        self.source.fetches.step(open).await
    }

    pub(super) async fn put(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.output.put(bytes).await;
        if self.output.is_open() { Ok(()) } else { Err(FetchError::Gone) }
    }
}

/// The sections before the pack.
struct Sections {
    /// Whether they go through band 1, too.
    is_multiplexed: bool,
    out: Vec<u8>,
}

impl Sections {
    fn line(&mut self, line: &str) {
        if self.is_multiplexed {
            encode_band(&mut self.out, Channel::Data, line.as_bytes());
        } else {
            encode_line(&mut self.out, line.as_bytes());
        }
    }

    fn acknowledge(&mut self, common: &[ObjectId], is_ready: bool) {
        self.line("acknowledgments\n");
        if common.is_empty() {
            self.line("NAK\n");
        }
        for id in common {
            self.line(&format!("ACK {id}\n"));
        }
        if is_ready {
            self.line("ready\n");
            self.out.extend_from_slice(DELIMITER);
        }
    }

    fn tell_boundary(&mut self, boundary: &Boundary) {
        self.line("shallow-info\n");
        for id in &boundary.shallow {
            self.line(&format!("shallow {id}\n"));
        }
        for id in &boundary.unshallow {
            self.line(&format!("unshallow {id}\n"));
        }
        self.out.extend_from_slice(DELIMITER);
    }
}
