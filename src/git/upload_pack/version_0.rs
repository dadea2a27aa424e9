//! Versions 0 and 1 of the protocol (gitprotocol-pack(5), "Fetching Data From a Server"): wants, then haves in turns.

use std::sync::Arc;

use gix_hash::ObjectId;
use tokio::io::{AsyncBufRead, AsyncWrite};

use super::FetchError;
use super::lines::Line;
use super::negotiation::{Have, Negotiation};
use super::packets::Band;
use super::request::{Fetch, MAX_OBJECTS, quote, read_id, refuse};
use super::send::{Conversation, boundary};
use super::shallow::Boundary;
use crate::git::pkt_line::{FLUSH, encode_line};

/// How much a client is told about what is common.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Acks {
    /// The first common object.
    #[default]
    First,
    /// `multi_ack`
    Each,
    /// `multi_ack_detailed`
    Detailed,
}

/// What a client of these versions says besides what it wants.
#[derive(Debug, Default)]
struct Capabilities {
    acks: Acks,
    no_done: bool,
    band: Option<Band>,
}

/// How one of the client's turns ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Flush,
    Done,
}

/// What follows a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    AnotherTurn,
    Pack,
}

/// What has been said about common objects.
#[derive(Debug, Default)]
struct Turns {
    acks: Acks,
    no_done: bool,
    last_common: Option<ObjectId>,
    has_said_ready: bool,
}

impl<R: AsyncBufRead + Unpin, W: AsyncWrite + Unpin> Conversation<'_, R, W> {
    pub(super) async fn version_0(&mut self) -> Result<(), FetchError> {
        let Some((fetch, capabilities)) = self.read_wants().await? else { return Ok(()) };
        let (mut negotiation, fetch, boundary) = self.open_wants(fetch).await?;
        if fetch.shallow.changes() {
            self.tell_boundary(&boundary).await?;
        }
        let mut turns = Turns { acks: capabilities.acks, no_done: capabilities.no_done, ..Turns::default() };
        loop {
            // Over HTTP, a client may only want to know where history will end.
            let Some((haves, end)) = self.read_turn().await? else { return Ok(()) };
            let answer = move || {
                let mut out = Vec::new();
                let next = turns.answer(&mut negotiation, &haves, end, &mut out)?;
                negotiation.packs.rest();
                Ok((turns, negotiation, out, next))
            };
            let (back, negotiated, out, next) = self.source.fetches.step(answer).await?;
            (turns, negotiation) = (back, negotiated);
            self.put(&out).await?;
            match next {
                Next::Pack => break,
                Next::AnotherTurn if self.is_stateless => return Ok(()),
                Next::AnotherTurn => {}
            }
        }
        self.send_pack(negotiation, fetch, boundary, capabilities.band.unwrap_or(Band::None)).await
    }

    /// Reads what is wanted; `None`: nothing.
    async fn read_wants(&mut self) -> Result<Option<(Fetch, Capabilities)>, FetchError> {
        let (mut fetch, mut capabilities) = (Fetch::default(), Capabilities::default());
        let mut is_first = true;
        loop {
            match self.lines.next().await? {
                None | Some(Line::Flush) if is_first => return Ok(None),
                Some(Line::Flush) => return Ok(Some((fetch.finish()?, capabilities))),
                Some(Line::Data(line)) => read_want(&line, is_first, &mut fetch, &mut capabilities)?,
                Some(Line::Delimiter) => return refuse("unexpected delimiter"),
                None => return Err(FetchError::Connection(std::io::ErrorKind::UnexpectedEof.into())),
            }
            is_first = false;
        }
    }

    async fn open_wants(&mut self, fetch: Fetch) -> Result<(Negotiation, Fetch, Boundary), FetchError> {
        let (packs, refs) = (self.source.packs.clone(), Arc::clone(&self.source.refs));
        let (pulse, remembered) = (self.pulse.clone(), self.source.fetches.remembered());
        let open = move || {
            let mut negotiation = Negotiation::open(&packs, pulse, remembered)?;
            negotiation.want(&fetch.wants, &refs)?;
            let boundary = boundary(&mut negotiation, &fetch, &refs)?;
            negotiation.packs.rest();
            Ok((negotiation, fetch, boundary))
        };
        self.source.fetches.step(open).await
    }

    async fn tell_boundary(&mut self, boundary: &Boundary) -> Result<(), FetchError> {
        let mut out = Vec::new();
        for id in &boundary.shallow {
            encode_line(&mut out, format!("shallow {id}").as_bytes());
        }
        for id in &boundary.unshallow {
            encode_line(&mut out, format!("unshallow {id}").as_bytes());
        }
        out.extend_from_slice(FLUSH);
        self.put(&out).await
    }

    /// Reads the objects that the client says to have; `None` where the connection ends instead, as it may over HTTP.
    async fn read_turn(&mut self) -> Result<Option<(Vec<ObjectId>, End)>, FetchError> {
        self.lines.begin();
        let mut haves = Vec::new();
        loop {
            let line = match self.lines.next().await? {
                None if self.is_stateless && haves.is_empty() => return Ok(None),
                None => return Err(FetchError::Connection(std::io::ErrorKind::UnexpectedEof.into())),
                Some(Line::Flush) => return Ok(Some((haves, End::Flush))),
                Some(Line::Delimiter) => return refuse("unexpected delimiter"),
                Some(Line::Data(line)) => line,
            };
            let line = String::from_utf8_lossy(&line);
            match line.strip_prefix("have ") {
                Some(_) if haves.len() == MAX_OBJECTS => return refuse("too many objects are named in one request"),
                Some(id) => haves.push(read_id(id)?),
                None if line == "done" => return Ok(Some((haves, End::Done))),
                None => return refuse(&format!("expected SHA1 list, got '{}'", quote(&line))),
            }
        }
    }
}

fn read_want(line: &[u8], is_first: bool, fetch: &mut Fetch, capabilities: &mut Capabilities) -> Result<(), FetchError> {
    let line = std::str::from_utf8(line).or_else(|_| refuse("a line is not UTF-8"))?;
    let words = if line.starts_with("want ") { line.splitn(3, ' ').nth(2) } else { None };
    let bare = words.map_or(line, |words| line[..line.len() - words.len()].trim_end());
    if let Some(words) = words {
        if !is_first {
            return refuse(&format!("protocol error, expected to get object ID, not '{}'", quote(line)));
        }
        read_capabilities(words, fetch, capabilities);
    }
    if !fetch.read_line(bare)? || bare.starts_with("have ") || bare == "done" {
        return refuse(&format!("protocol error, expected to get object ID, not '{}'", quote(line)));
    }
    Ok(())
}

fn read_capabilities(words: &str, fetch: &mut Fetch, capabilities: &mut Capabilities) {
    for word in words.split_ascii_whitespace() {
        match word {
            "multi_ack_detailed" => capabilities.acks = Acks::Detailed,
            "multi_ack" if capabilities.acks == Acks::First => capabilities.acks = Acks::Each,
            "no-done" => capabilities.no_done = true,
            "side-band-64k" => capabilities.band = Some(Band::Large),
            "side-band" if capabilities.band.is_none() => capabilities.band = Some(Band::Small),
            "thin-pack" => fetch.thin_pack = true,
            "ofs-delta" => fetch.ofs_delta = true,
            "include-tag" => fetch.include_tag = true,
            "no-progress" => fetch.no_progress = true,
            "deepen-relative" => fetch.shallow.is_relative = true,
            // What was not advertised may not be asked for, and changes nothing.
            _ => {}
        }
    }
}

impl Turns {
    fn answer(
        &mut self,
        negotiation: &mut Negotiation,
        haves: &[ObjectId],
        end: End,
        out: &mut Vec<u8>,
    ) -> Result<Next, FetchError> {
        let (mut is_some_common, mut is_some_unknown) = (false, false);
        for id in haves {
            let had_common = negotiation.has_common();
            if negotiation.have(id)? == Have::Unknown {
                is_some_unknown = true;
                if self.acks != Acks::First && negotiation.is_ready()? {
                    self.give_up(out, *id);
                }
                continue;
            }
            is_some_common = true;
            self.last_common = Some(*id);
            match self.acks {
                Acks::Detailed => acknowledge(out, *id, " common"),
                Acks::Each => acknowledge(out, *id, " continue"),
                Acks::First if !had_common => acknowledge(out, *id, ""),
                Acks::First => {}
            }
        }
        if end == End::Done {
            match self.last_common {
                Some(last) if self.acks != Acks::First => acknowledge(out, last, ""),
                Some(_) => {}
                None => encode_line(out, b"NAK\n"),
            }
            return Ok(Next::Pack);
        }
        let is_all_common = self.acks == Acks::Detailed && is_some_common && !is_some_unknown;
        let is_ready = is_all_common && negotiation.is_ready()?;
        Ok(self.answer_flush(is_ready, out))
    }

    fn answer_flush(&mut self, is_ready: bool, out: &mut Vec<u8>) -> Next {
        let last = self.last_common;
        if let Some(last) = last.filter(|_| is_ready) {
            self.give_up(out, last);
        }
        if last.is_none() || self.acks != Acks::First {
            encode_line(out, b"NAK\n");
        }
        match last {
            Some(last) if self.no_done && self.has_said_ready => {
                acknowledge(out, last, "");
                Next::Pack
            }
            _ => Next::AnotherTurn,
        }
    }

    /// Says that enough is known.
    fn give_up(&mut self, out: &mut Vec<u8>, id: ObjectId) {
        if self.acks == Acks::Detailed {
            self.has_said_ready = true;
            acknowledge(out, id, " ready");
        } else {
            acknowledge(out, id, " continue");
        }
    }
}

fn acknowledge(out: &mut Vec<u8>, id: ObjectId, how: &str) {
    encode_line(out, format!("ACK {id}{how}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";

    fn read(lines: &[String]) -> Result<(Fetch, Capabilities), FetchError> {
        let (mut fetch, mut capabilities) = (Fetch::default(), Capabilities::default());
        for (at, line) in lines.iter().enumerate() {
            read_want(line.as_bytes(), at == 0, &mut fetch, &mut capabilities)?;
        }
        Ok((fetch, capabilities))
    }

    #[test]
    fn the_first_want_has_capabilities() {
        let words = "multi_ack_detailed multi_ack no-done side-band-64k side-band thin-pack ofs-delta deepen-relative agent=x";
        let lines = [format!("want {A} {words}"), format!("want {A}"), format!("shallow {A}"), "deepen 2".into()];
        let (fetch, capabilities) = read(&lines).unwrap();
        assert_eq!((capabilities.acks, capabilities.no_done, capabilities.band), (Acks::Detailed, true, Some(Band::Large)));
        assert!(fetch.thin_pack && fetch.ofs_delta && !fetch.include_tag && fetch.shallow.is_relative);
        assert_eq!((fetch.wants.len(), fetch.shallow.client.len(), fetch.shallow.depth), (2, 1, Some(2)));
        let (_, none) = read(&[format!("want {A}")]).unwrap();
        assert_eq!((none.acks, none.band), (Acks::First, None));
    }

    #[test]
    fn what_is_not_wanted_is_refused() {
        for lines in [
            vec!["hello".to_owned()],
            vec![format!("have {A}")],
            vec![format!("want {A}"), "done".to_owned()],
            vec![format!("want {A}"), format!("want {A} thin-pack")],
            vec![format!("want {A}"), "want 123".to_owned()],
        ] {
            assert!(matches!(read(&lines), Err(FetchError::Request(_))), "{lines:?}");
        }
    }
}
