//! What a client asks of upload-pack (gitprotocol-v2(5), gitprotocol-pack(5)): lines in, checked values out.

use gix_hash::ObjectId;

use super::FetchError;
use super::filter::Filter;

/// Most objects that one request may name: whoever checks out a partial clone asks for all its files at once.
pub const MAX_OBJECTS: usize = 2_000_000;

/// Most prefixes of refs in one request; more of them select nothing, as with git.
pub const MAX_PREFIXES: usize = 65_536;

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
    /// All refs, if there are none.
    pub prefixes: Vec<String>,
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
            "want" => self.wants.push(read_id(value)?),
            "have" => self.haves.push(read_id(value)?),
            "shallow" => self.shallow.client.push(read_id(value)?),
            "deepen" => self.shallow.depth = Some(read_depth(value)?),
            "deepen-since" => self.shallow.since = Some(read_time(value)?),
            "deepen-not" => self.shallow.not.push(value.to_owned()),
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
            Some(("ref-prefix", prefix)) if self.prefixes.len() < MAX_PREFIXES => self.prefixes.push(prefix.to_owned()),
            Some(("ref-prefix", _)) => self.has_too_many = true,
            _ => return refuse(&format!("unexpected line: '{}'", quote(line))),
        }
        Ok(())
    }

    /// Whether a ref is asked for.
    pub(super) fn asks_for(&self, name: &str) -> bool {
        self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
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
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";

    /// Reads a command; `|` stands for the delimiter.
    fn read(lines: &str) -> Result<Command, FetchError> {
        let mut reader = CommandReader::default();
        for line in lines.lines() {
            if line == "|" { reader.read_delimiter()? } else { reader.read_line(line.as_bytes())? }
        }
        reader.finish()
    }

    fn read_fetch(arguments: &str) -> Fetch {
        match read(&format!("command=fetch\nagent=git/2.47.3\nobject-format=sha1\n|\n{arguments}")) {
            Ok(Command::Fetch(fetch)) => *fetch,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn refs_are_asked_for_by_prefixes() {
        let Ok(Command::LsRefs(asked)) =
            read("command=ls-refs\n|\npeel\nsymrefs\nunborn\nref-prefix HEAD\nref-prefix refs/tags/")
        else {
            panic!("a good request")
        };
        assert!(asked.peel && asked.symrefs && asked.unborn);
        assert!(asked.asks_for("HEAD") && asked.asks_for("refs/tags/v1") && !asked.asks_for("refs/heads/main"));
        let many = format!("command=ls-refs\n|\n{}", "ref-prefix x\n".repeat(MAX_PREFIXES + 1));
        let Ok(Command::LsRefs(asked)) = read(&many) else { panic!("a good request") };
        assert!(asked.prefixes.is_empty() && asked.asks_for("refs/heads/main"), "too many select nothing");
    }

    #[test]
    fn objects_are_asked_for_by_id() {
        let asked = read_fetch(&format!(
            "thin-pack\nofs-delta\ninclude-tag\nno-progress\nsideband-all\nwait-for-done\nwant {A}\nwant {A}\nhave {A}\n\
             shallow {A}\ndeepen 3\ndeepen-relative\nfilter blob:none\ndone"
        ));
        assert_eq!((asked.wants.len(), asked.haves.len(), asked.shallow.client.len(), asked.named()), (1, 1, 1, 3));
        assert!(asked.thin_pack && asked.ofs_delta && asked.include_tag && asked.no_progress && asked.sideband_all);
        assert!(asked.wait_for_done && asked.done && asked.shallow.is_relative && asked.shallow.changes());
        assert_eq!((asked.shallow.depth, asked.filter.blob_limit()), (Some(3), Some(0)));
        let asked = read_fetch("deepen-since 1700000000\ndeepen-not v1");
        assert_eq!((asked.shallow.since, asked.shallow.not), (Some(1_700_000_000), vec!["v1".to_owned()]));
    }

    #[test]
    fn nonsense_is_named() {
        let check = |lines: &str, words: &str| {
            let error = read(lines).expect_err(lines).to_string();
            assert!(error.contains(words), "{lines}: {error}");
        };
        check("", "no command requested");
        check("|\npeel", "no command requested");
        check("command=push", "invalid command 'push'");
        check("command=fetch\ncommand=fetch", "invalid command");
        check("command=fetch\nobject-format=sha256", "mismatched object format: server sha1; client sha256");
        check("command=fetch\nx", "unknown capability 'x'");
        check("command=fetch\n|\n|", "unexpected delimiter");
        check("command=fetch\n|\npeel", "unexpected line: 'peel'");
        check("command=ls-refs\n|\nwant x", "unexpected line: 'want x'");
        for (argument, words) in [
            ("want 1", "invalid object id '1'"),
            ("deepen 0", "invalid deepen: 0"),
            ("deepen -1", "invalid deepen: -1"),
            ("deepen 2147483648", "invalid deepen"),
            ("deepen-since x", "invalid deepen-since: x"),
            ("deepen 1\ndeepen-not v1", "cannot be used together"),
            ("filter sparse:oid=x", "filter 'sparse:oid' not supported"),
        ] {
            check(&format!("command=fetch\n|\n{argument}"), words);
        }
    }
}
