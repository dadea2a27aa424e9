//! What a client asks of upload-pack (gitprotocol-v2(5), gitprotocol-pack(5)): lines in, checked values out.

use gix_hash::ObjectId;

use super::FetchError;
use super::filter::Filter;

/// Most objects that one request may name: whoever checks out a partial clone asks for all its files at once.
pub const MAX_OBJECTS: usize = 2_000_000;

/// Most prefixes of refs in one request; with more of them all refs are told, as git does.
pub const MAX_PREFIXES: usize = 65_536;

/// Most bytes of names and prefixes of refs in one request.
const MAX_NAME_BYTES: usize = 4 * 1024 * 1024;

/// Objects that are kept before the first weeding out of those named twice.
const WEED_FROM: usize = 4096;

/// How git says that a client wants all history there is (`git fetch --unshallow`).
pub(super) const INFINITE: u32 = 0x7fff_ffff;

/// A command of protocol v2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    LsRefs(LsRefs),
    Fetch(Box<Fetch>),
}

/// Which refs to tell, and what of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol's arguments are independent of one another")]
pub struct LsRefs {
    /// Tell what annotated tags are about.
    pub peel: bool,
    pub symrefs: bool,
    /// Tell of a HEAD that leads nowhere yet.
    pub unborn: bool,
    /// Sorted, none of them the beginning of another. All refs, if there are none.
    pub prefixes: Vec<String>,
    prefix_bytes: usize,
    has_too_many: bool,
}

/// Which objects to send, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol's arguments are independent of one another")]
pub struct Fetch {
    pub(super) wants: Vec<ObjectId>,
    pub(super) haves: Vec<ObjectId>,
    pub(super) done: bool,
    pub(super) wait_for_done: bool,
    pub(super) sideband_all: bool,
    pub(super) thin_pack: bool,
    pub(super) ofs_delta: bool,
    pub(super) include_tag: bool,
    pub(super) no_progress: bool,
    pub(super) filter: Filter,
    pub(super) shallow: Shallow,
}

/// What the client's clone lacks, and what it is to lack from now on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shallow {
    /// The commits whose parents the client has not.
    pub client: Vec<ObjectId>,
    pub depth: Option<u32>,
    /// Whether the depth is counted from where the client's history ends.
    pub is_relative: bool,
    pub since: Option<i64>,
    /// Refs whose history is not wanted.
    pub not: Vec<String>,
    not_bytes: usize,
}

impl Shallow {
    /// Whether the client's history is to end elsewhere from now on.
    pub(super) fn changes(&self) -> bool {
        self.depth.is_some() || self.by_commits()
    }

    /// Whether it is to end at certain commits, rather than at a depth.
    pub(super) fn by_commits(&self) -> bool {
        self.since.is_some() || !self.not.is_empty()
    }

    fn check(&self) -> Result<(), FetchError> {
        if self.depth.is_some() && self.by_commits() {
            return refuse("deepen and deepen-since (or deepen-not) cannot be used together");
        }
        Ok(())
    }
}

impl Fetch {
    /// How many objects it names.
    #[must_use]
    pub fn named(&self) -> usize {
        self.wants.len() + self.haves.len() + self.shallow.client.len() + self.shallow.not.len()
    }

    /// Reads an argument that both versions of the protocol have; tells whether it is one.
    pub(super) fn read_line(&mut self, line: &str) -> Result<bool, FetchError> {
        if self.named() >= MAX_OBJECTS {
            return refuse("too many objects are named in one request");
        }
        let (word, value) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "want" => {
                self.wants.push(read_id(value)?);
                weed(&mut self.wants);
            }
            "have" => self.haves.push(read_id(value)?),
            "shallow" => {
                self.shallow.client.push(read_id(value)?);
                weed(&mut self.shallow.client);
            }
            "deepen" => self.shallow.depth = Some(read_depth(value)?),
            "deepen-since" => self.shallow.since = Some(read_time(value)?),
            "deepen-not" if self.shallow.not_bytes + value.len() > MAX_NAME_BYTES => {
                return refuse("too many refs are named in one request");
            }
            "deepen-not" => {
                self.shallow.not_bytes += value.len();
                self.shallow.not.push(value.to_owned());
            }
            "filter" => self.filter = Filter::read(value)?,
            "done" if value.is_empty() => self.done = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Checks what can only be told once all of it is there.
    pub(super) fn finish(mut self) -> Result<Self, FetchError> {
        self.shallow.check()?;
        // What follows takes them for sets.
        for ids in [&mut self.wants, &mut self.shallow.client] {
            ids.sort_unstable();
            ids.dedup();
        }
        self.shallow.not.sort_unstable();
        self.shallow.not.dedup();
        Ok(self)
    }

    fn read_argument(&mut self, line: &str) -> Result<(), FetchError> {
        match line {
            "wait-for-done" => self.wait_for_done = true,
            "sideband-all" => self.sideband_all = true,
            "thin-pack" => self.thin_pack = true,
            "ofs-delta" => self.ofs_delta = true,
            "include-tag" => self.include_tag = true,
            "no-progress" => self.no_progress = true,
            "deepen-relative" => self.shallow.is_relative = true,
            other if self.read_line(other)? => {}
            other => return refuse(&format!("unexpected line: '{}'", quote(other))),
        }
        Ok(())
    }
}

impl LsRefs {
    fn read_argument(&mut self, line: &str) -> Result<(), FetchError> {
        match line.split_once(' ') {
            None if line == "peel" => self.peel = true,
            None if line == "symrefs" => self.symrefs = true,
            None if line == "unborn" => self.unborn = true,
            Some(("ref-prefix", prefix)) => {
                self.prefix_bytes += prefix.len();
                if self.prefixes.len() < MAX_PREFIXES && self.prefix_bytes <= MAX_NAME_BYTES {
                    self.prefixes.push(prefix.to_owned());
                } else {
                    self.has_too_many = true;
                }
            }
            _ => return refuse(&format!("unexpected line: '{}'", quote(line))),
        }
        Ok(())
    }

    /// Sorts the prefixes, and leaves out those that begin with another one.
    fn weed(&mut self) {
        self.prefixes.sort_unstable();
        self.prefixes.dedup_by(|prefix, before| prefix.starts_with(before.as_str()));
    }

    /// Whether a ref is asked for. There may be many refs and many prefixes: of those that have been weeded, only the last one
    /// up to the name can be its own.
    pub(super) fn asks_for(&self, name: &str) -> bool {
        let after = self.prefixes.partition_point(|prefix| prefix.as_str() <= name);
        self.prefixes.is_empty() || after > 0 && name.starts_with(self.prefixes[after - 1].as_str())
    }
}

/// Reads a command line by line.
#[derive(Debug, Default)]
pub struct CommandReader {
    command: Option<Command>,
    is_past_capabilities: bool,
}

impl CommandReader {
    /// Takes a line, without its end.
    ///
    /// # Errors
    /// When it is not what the protocol knows, or one too many.
    pub fn read_line(&mut self, line: &[u8]) -> Result<(), FetchError> {
        let line = std::str::from_utf8(line).or_else(|_| refuse("a line is not UTF-8"))?;
        match &mut self.command {
            Some(Command::LsRefs(ls_refs)) if self.is_past_capabilities => ls_refs.read_argument(line),
            Some(Command::Fetch(fetch)) if self.is_past_capabilities => fetch.read_argument(line),
            None if self.is_past_capabilities => refuse("no command requested"),
            _ => self.read_capability(line),
        }
    }

    /// Whether the client has said that it listens to side-bands only.
    #[must_use]
    pub fn is_multiplexed(&self) -> bool {
        matches!(&self.command, Some(Command::Fetch(fetch)) if fetch.sideband_all)
    }

    /// Takes the delimiter between capabilities and arguments.
    ///
    /// # Errors
    /// When there was one already.
    pub fn read_delimiter(&mut self) -> Result<(), FetchError> {
        if std::mem::replace(&mut self.is_past_capabilities, true) {
            return refuse("unexpected delimiter");
        }
        Ok(())
    }

    /// The command, at the flush that ends it.
    ///
    /// # Errors
    /// When there is none, or it contradicts itself.
    pub fn finish(self) -> Result<Command, FetchError> {
        match self.command {
            None => refuse("no command requested"),
            Some(Command::LsRefs(mut ls_refs)) => {
                if ls_refs.has_too_many {
                    ls_refs.prefixes.clear();
                }
                ls_refs.weed();
                Ok(Command::LsRefs(ls_refs))
            }
            Some(Command::Fetch(fetch)) => Ok(Command::Fetch(Box::new(fetch.finish()?))),
        }
    }

    fn read_capability(&mut self, line: &str) -> Result<(), FetchError> {
        match line.split_once('=') {
            Some(("command", "ls-refs")) if self.command.is_none() => self.command = Some(Command::LsRefs(LsRefs::default())),
            Some(("command", "fetch")) if self.command.is_none() => self.command = Some(Command::Fetch(Box::default())),
            Some(("command", name)) => return refuse(&format!("invalid command '{}'", quote(name))),
            Some(("agent" | "server-option" | "session-id", _) | ("object-format", "sha1")) => {}
            Some(("object-format", other)) => {
                return refuse(&format!("mismatched object format: server sha1; client {}", quote(other)));
            }
            _ => return refuse(&format!("unknown capability '{}'", quote(line))),
        }
        Ok(())
    }
}

/// Weeds out what is named twice whenever there is twice as much as a while ago: a few bytes on the wire may name one
/// object a million times.
fn weed(ids: &mut Vec<ObjectId>) {
    if ids.len() >= WEED_FROM && ids.len() == ids.capacity() {
        ids.sort_unstable();
        ids.dedup();
    }
}

pub(super) fn refuse<T>(why: &str) -> Result<T, FetchError> {
    Err(FetchError::Request(why.to_owned()))
}

/// What a client has sent, as far as it is repeated.
pub(super) fn quote(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}

pub(super) fn read_id(hex: &str) -> Result<ObjectId, FetchError> {
    ObjectId::from_hex(hex.as_bytes())
        .ok()
        .filter(|id| id.kind() == gix_hash::Kind::Sha1)
        .map_or_else(|| refuse(&format!("invalid object id '{}'", quote(hex))), Ok)
}

fn read_depth(text: &str) -> Result<u32, FetchError> {
    match text.parse() {
        Ok(depth @ 1..=INFINITE) => Ok(depth),
        _ => refuse(&format!("invalid deepen: {}", quote(text))),
    }
}

fn read_time(text: &str) -> Result<i64, FetchError> {
    match text.parse() {
        Ok(time @ 1..) => Ok(time),
        _ => refuse(&format!("invalid deepen-since: {}", quote(text))),
    }
}

#[cfg(test)]
mod tests;
