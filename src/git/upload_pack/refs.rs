//! The refs as clients are told of them.

use std::fmt::Write as _;
use std::io;

use gix_hash::ObjectId;

use super::packs::Packs;
use super::request::LsRefs;
use super::select::Tag;
use crate::git::Greeting;
use crate::git::pkt_line::{FLUSH, encode_line};
use crate::model::{CommitId, RefName};

/// What a client of version 0 or 1 of the protocol may ask for.
const CAPABILITIES: &str = concat!(
    "multi_ack thin-pack side-band side-band-64k ofs-delta shallow deepen-since deepen-not deepen-relative no-progress ",
    "include-tag multi_ack_detailed no-done allow-tip-sha1-in-want allow-reachable-sha1-in-want filter ",
    "object-format=sha1 agent=hoist/",
    env!("CARGO_PKG_VERSION")
);

const TAKES_ALL: &str = "a String takes everything";

/// The advertisement of version 2.
const VERSION_2: [&str; 6] = [
    "version 2\n",
    concat!("agent=hoist/", env!("CARGO_PKG_VERSION"), "\n"),
    "ls-refs=unborn\n",
    "fetch=shallow wait-for-done filter sideband-all\n",
    "server-option\n",
    "object-format=sha1\n",
];

/// Which version of the protocol a client speaks (gitprotocol-pack(5), "Git Protocol Versions").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    #[default]
    V0,
    V1,
    V2,
}

impl Version {
    /// Reads what a client says it speaks: `version=2`, among other keys, between colons. What is not known is no
    /// reason to refuse anybody.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let known = |key: &str| match key {
            "version=2" => Some(Self::V2),
            "version=1" => Some(Self::V1),
            _ => None,
        };
        text.split(':').filter_map(known).max_by_key(|version| *version as u8).unwrap_or_default()
    }
}

/// The refs there are, and where HEAD leads.
pub(super) struct Refs {
    /// By name, as git expects it.
    list: Vec<(String, ObjectId)>,
    /// The branch that HEAD stands for, which need not be there.
    head: String,
}

impl Refs {
    pub(super) fn new(refs: &[(RefName, CommitId)], head: &RefName) -> Self {
        let id = |id: &CommitId| ObjectId::from_hex(id.as_str().as_bytes()).expect("a CommitId is an object id");
        let mut list: Vec<_> = refs.iter().map(|(name, commit)| (name.to_string(), id(commit))).collect();
        list.sort_unstable();
        Self { list, head: head.to_string() }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, ObjectId)> + Clone {
        self.list.iter().map(|(name, id)| (name.as_str(), *id))
    }

    /// A ref's value, by its full name.
    pub(super) fn find(&self, name: &str) -> Option<ObjectId> {
        let at = self.list.binary_search_by(|(other, _)| other.as_str().cmp(name)).ok()?;
        Some(self.list[at].1)
    }

    fn head(&self) -> Option<ObjectId> {
        self.find(&self.head)
    }

    /// HEAD, if it leads anywhere, and all others.
    fn with_head(&self) -> impl Iterator<Item = (&str, ObjectId)> {
        self.head().map(|id| ("HEAD", id)).into_iter().chain(self.iter())
    }

    /// The annotated tags among them. Branches are commits, which was checked when they were pushed.
    pub(super) fn tags(&self, packs: &mut Packs) -> io::Result<Vec<Tag>> {
        let mut found = Vec::new();
        for (_, id) in self.iter().filter(|(name, _)| may_be_tag(name)) {
            let (tags, target, _) = packs.peel(packs.get(&id)?)?;
            if !tags.is_empty() {
                found.push(Tag { tags, target });
            }
        }
        Ok(found)
    }

    /// The advertisement of version 0 or 1.
    pub(super) fn advertisement(&self, packs: &mut Packs, version: Version, greeting: Greeting) -> io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(512 + self.list.len() * 96);
        if greeting == Greeting::Http {
            encode_line(&mut out, b"# service=git-upload-pack\n");
            out.extend_from_slice(FLUSH);
        }
        if version == Version::V1 {
            encode_line(&mut out, b"version 1\n");
        }
        let symref = self.head().map(|_| format!(" symref=HEAD:{}", self.head)).unwrap_or_default();
        let mut capabilities = Some(format!("\0{CAPABILITIES}{symref}"));
        for (name, id) in self.with_head() {
            encode_line(&mut out, format!("{id} {name}{}\n", capabilities.take().unwrap_or_default()).as_bytes());
            if let Some(peeled) = peel(packs, name, id)? {
                encode_line(&mut out, format!("{peeled} {name}^{{}}\n").as_bytes());
            }
        }
        if let Some(capabilities) = capabilities {
            encode_line(&mut out, format!("{:0>40} capabilities^{{}}{capabilities}\n", 0).as_bytes());
        }
        out.extend_from_slice(FLUSH);
        Ok(out)
    }

    /// The answer to `ls-refs`.
    pub(super) fn answer(&self, asked: &LsRefs, packs: impl FnOnce() -> io::Result<Packs>) -> io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(self.list.len() * 96);
        let mut packs = if asked.peel { Some(packs()?) } else { None };
        if self.head().is_none() && asked.unborn && asked.asks_for("HEAD") {
            let target = if asked.symrefs { format!(" symref-target:{}", self.head) } else { String::new() };
            encode_line(&mut out, format!("unborn HEAD{target}\n").as_bytes());
        }
        for (name, id) in self.with_head().filter(|(name, _)| asked.asks_for(name)) {
            let mut line = format!("{id} {name}");
            if asked.symrefs && name == "HEAD" {
                write!(line, " symref-target:{}", self.head).expect(TAKES_ALL);
            }
            if let Some(packs) = &mut packs
                && let Some(peeled) = peel(packs, name, id)?
            {
                write!(line, " peeled:{peeled}").expect(TAKES_ALL);
            }
            encode_line(&mut out, (line + "\n").as_bytes());
        }
        out.extend_from_slice(FLUSH);
        Ok(out)
    }
}

/// The advertisement of version 2, the same for all repositories.
#[must_use]
pub fn advertisement_v2() -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    for line in VERSION_2 {
        encode_line(&mut out, line.as_bytes());
    }
    out.extend_from_slice(FLUSH);
    out
}

fn may_be_tag(name: &str) -> bool {
    name != "HEAD" && !name.starts_with("refs/heads/")
}

/// What an annotated tag is about in the end.
fn peel(packs: &mut Packs, name: &str, id: ObjectId) -> io::Result<Option<ObjectId>> {
    if !may_be_tag(name) {
        return Ok(None);
    }
    let (tags, target, _) = packs.peel(packs.get(&id)?)?;
    Ok((!tags.is_empty()).then(|| packs.id(target).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::upload_pack::request::{Command, CommandReader};

    const A: &str = "1111111111111111111111111111111111111111";

    fn refs(names: &[&str]) -> Refs {
        let refs: Vec<_> = names.iter().map(|name| (name.parse().unwrap(), A.parse().unwrap())).collect();
        Refs::new(&refs, &"refs/heads/main".parse().unwrap())
    }

    fn no_packs() -> (tempfile::TempDir, Packs) {
        let dir = tempfile::tempdir().unwrap();
        let packs = Packs::open(dir.path()).unwrap();
        (dir, packs)
    }

    /// The lines of some packets, `0000` for a flush.
    fn lines(mut bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some((digits, rest)) = bytes.split_first_chunk::<4>() {
            let length = usize::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap().max(4);
            let (line, rest) = rest.split_at(length - 4);
            lines.push(if length == 4 { "0000".into() } else { String::from_utf8(line.to_vec()).unwrap() });
            bytes = rest;
        }
        lines
    }

    fn answer(refs: &Refs, arguments: &[&str]) -> Vec<String> {
        let mut reader = CommandReader::default();
        reader.read_line(b"command=ls-refs").unwrap();
        reader.read_delimiter().unwrap();
        for line in arguments {
            reader.read_line(line.as_bytes()).unwrap();
        }
        let Ok(Command::LsRefs(asked)) = reader.finish() else { panic!("a good request") };
        lines(&refs.answer(&asked, || Ok(no_packs().1)).unwrap())
    }

    #[test]
    fn versions_are_read_among_other_keys() {
        for (text, version) in [
            ("version=2", Version::V2),
            ("x:version=1:y=3", Version::V1),
            ("version=1:version=2", Version::V2),
            ("version=3", Version::V0),
            ("", Version::V0),
            ("version=22", Version::V0),
        ] {
            assert_eq!(Version::read(text), version, "{text}");
        }
    }

    #[test]
    fn head_stands_for_the_deploy_branch() {
        let (_dir, mut packs) = no_packs();
        let mut told =
            |names: &[&str], version, greeting| lines(&refs(names).advertisement(&mut packs, version, greeting).unwrap());
        let all = told(&["refs/heads/main", "refs/heads/x"], Version::V0, Greeting::Http);
        assert_eq!(all[..2], ["# service=git-upload-pack\n", "0000"]);
        assert!(
            all[2].starts_with(&format!("{A} HEAD\0multi_ack ")) && all[2].ends_with(" symref=HEAD:refs/heads/main\n"),
            "{all:?}"
        );
        assert_eq!(all[3..], [format!("{A} refs/heads/main\n"), format!("{A} refs/heads/x\n"), "0000".into()]);
        let all = told(&["refs/heads/x"], Version::V1, Greeting::Stream);
        assert_eq!(all[0], "version 1\n");
        assert!(all[1].starts_with(&format!("{A} refs/heads/x\0")) && !all[1].contains("symref"), "{all:?}");
        let none = told(&[], Version::V0, Greeting::Stream);
        assert!(none[0].starts_with(&format!("{:0>40} capabilities^{{}}\0", 0)) && none.len() == 2, "{none:?}");
    }

    #[test]
    fn refs_are_told_as_asked() {
        let some = refs(&["refs/heads/main", "refs/tags/v1"]);
        assert_eq!(answer(&some, &["ref-prefix refs/t"]), [format!("{A} refs/tags/v1\n"), "0000".into()]);
        let head = format!("{A} HEAD symref-target:refs/heads/main\n");
        assert_eq!(answer(&some, &["symrefs", "unborn", "ref-prefix HEAD"]), [head, "0000".into()]);
        let unborn = "unborn HEAD symref-target:refs/heads/main\n";
        assert_eq!(answer(&refs(&[]), &["symrefs", "unborn"]), [unborn, "0000"]);
        assert_eq!(answer(&refs(&[]), &["symrefs"]), ["0000"]);
        assert_eq!(answer(&refs(&[]), &["unborn", "ref-prefix refs/"]), ["0000"]);
    }
}
