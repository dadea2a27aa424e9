//! What `git fsck` would refuse and a server must: objects that cannot be checked out safely, or not be read at all.
//!
//! The rules are the errors (not the warnings) of fsck's tree, commit and tag checks in git-fsck(1), "FSCK MESSAGES".
//! Odd dates and authors are no business of a server: old histories are full of them.

use gix_hash::ObjectId;
use gix_object::Kind;
use gix_validate::path::{component, component::Mode as NameMode, component::Options};

use super::links::Link;
use super::stream::ID_BYTES;

/// What is wrong with an object. The texts are shown to whoever has pushed it, or has had it fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Offence {
    #[error("it is not a well-formed {0}")]
    Malformed(Kind),
    #[error("mode {0} of an entry is not one that git knows")]
    Mode(String),
    #[error("an entry is named '{name}': {why}")]
    Name { name: String, why: String },
    #[error("entry '{0}' is not in order")]
    Unsorted(String),
    #[error("entry '{0}' is there twice")]
    Duplicate(String),
}

/// Checks an object and hands over what it refers to. Submodules refer to other repositories and are not handed over.
pub(super) fn check(kind: Kind, bytes: &[u8], link: impl FnMut(Link)) -> Result<(), Offence> {
    match kind {
        Kind::Blob => Ok(()),
        Kind::Tree => check_tree(bytes, link),
        Kind::Commit => check_commit(bytes, link).ok_or(Offence::Malformed(kind)),
        Kind::Tag => check_tag(bytes, link).ok_or(Offence::Malformed(kind)),
    }
}

fn check_commit(bytes: &[u8], mut link: impl FnMut(Link)) -> Option<()> {
    let (tree, mut rest) = take_id(bytes, b"tree ")?;
    link(Link { id: tree, kind: Kind::Tree });
    while rest.starts_with(b"parent ") {
        let (parent, after) = take_id(rest, b"parent ")?;
        link(Link { id: parent, kind: Kind::Commit });
        rest = after;
    }
    let (_, rest) = take_line(rest, b"author ")?;
    take_line(rest, b"committer ").map(drop)
}

fn check_tag(bytes: &[u8], mut link: impl FnMut(Link)) -> Option<()> {
    let (id, rest) = take_id(bytes, b"object ")?;
    let (kind, rest) = take_line(rest, b"type ")?;
    take_line(rest, b"tag ")?;
    link(Link { id, kind: Kind::from_bytes(kind).ok()? });
    Some(())
}

fn take_id<'a>(bytes: &'a [u8], key: &[u8]) -> Option<(ObjectId, &'a [u8])> {
    let (hex, rest) = take_line(bytes, key)?;
    Some((ObjectId::from_hex(hex).ok()?, rest))
}

fn take_line<'a>(bytes: &'a [u8], key: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let bytes = bytes.strip_prefix(key)?;
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// An entry of a tree.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    mode: Mode,
    name: &'a [u8],
    id: ObjectId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Folder,
    File,
    Symlink,
    Submodule,
}

fn check_tree(mut bytes: &[u8], mut link: impl FnMut(Link)) -> Result<(), Offence> {
    let mut order = Order::default();
    while !bytes.is_empty() {
        let (entry, rest) = take_entry(bytes)?;
        check_name(&entry)?;
        order.check(entry)?;
        match entry.mode {
            Mode::Folder => link(Link { id: entry.id, kind: Kind::Tree }),
            Mode::File | Mode::Symlink => link(Link { id: entry.id, kind: Kind::Blob }),
            Mode::Submodule => {}
        }
        bytes = rest;
    }
    Ok(())
}

fn take_entry(bytes: &[u8]) -> Result<(Entry<'_>, &[u8]), Offence> {
    let malformed = || Offence::Malformed(Kind::Tree);
    let space = bytes.iter().take(8).position(|byte| *byte == b' ').ok_or_else(malformed)?;
    let mode = parse_mode(&bytes[..space]).ok_or_else(|| Offence::Mode(bytes[..space].escape_ascii().to_string()))?;
    let rest = &bytes[space + 1..];
    let nul = rest.iter().position(|byte| *byte == 0).ok_or_else(malformed)?;
    let (name, rest) = (&rest[..nul], &rest[nul + 1..]);
    let (id, rest) = rest.split_at_checked(ID_BYTES).ok_or_else(malformed)?;
    Ok((Entry { mode, name, id: ObjectId::from_bytes_or_panic(id) }, rest))
}

/// Reads a mode. Permissions of files are free, as fsck lets them pass: the first gits wrote 664.
fn parse_mode(octal: &[u8]) -> Option<Mode> {
    let mut mode = 0_u32;
    for digit in octal {
        mode = mode * 8 + u32::from(digit.checked_sub(b'0').filter(|digit| *digit < 8)?);
    }
    match (mode & 0o170_000, mode & !0o170_000) {
        (0o040_000, 0) => Some(Mode::Folder),
        (0o100_000, permissions) if permissions <= 0o777 => Some(Mode::File),
        (0o120_000, 0) => Some(Mode::Symlink),
        (0o160_000, 0) => Some(Mode::Submodule),
        _ => None,
    }
}

fn check_name(entry: &Entry<'_>) -> Result<(), Offence> {
    // What could be `.git` in disguise begins with one of these (the last two: code points that HFS+ ignores);
    // for all other names looking for slashes is enough, and there are millions of them.
    let harmless = !matches!(entry.name.first(), None | Some(b'.' | b'g' | b'G' | 0xe2 | 0xef));
    if harmless && !entry.name.contains(&b'/') {
        return Ok(());
    }
    let mode = (entry.mode == Mode::Symlink).then_some(NameMode::Symlink);
    let options = Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };
    match component(entry.name.into(), mode, options) {
        Ok(_) => Ok(()),
        Err(error) => Err(Offence::Name { name: show(entry.name), why: error.to_string() }),
    }
}

/// Entries are sorted as if folders ended in a slash, and no name is there twice.
#[derive(Default)]
struct Order<'a> {
    last: Option<Entry<'a>>,
    /// Files whose names begin the current one: a folder of the same name may follow them later, as `a`, `a.b`, `a/`.
    prefixes: Vec<&'a [u8]>,
}

impl<'a> Order<'a> {
    fn check(&mut self, entry: Entry<'a>) -> Result<(), Offence> {
        let Some(last) = self.last.replace(entry) else { return Ok(()) };
        if last.name == entry.name {
            return Err(Offence::Duplicate(show(entry.name)));
        }
        if sort_key(&last).gt(sort_key(&entry)) {
            return Err(Offence::Unsorted(show(entry.name)));
        }
        while self.prefixes.pop_if(|prefix| !entry.name.starts_with(prefix)).is_some() {}
        if last.mode != Mode::Folder && entry.name.starts_with(last.name) {
            self.prefixes.push(last.name);
        }
        if entry.mode == Mode::Folder && self.prefixes.last() == Some(&entry.name) {
            return Err(Offence::Duplicate(show(entry.name)));
        }
        Ok(())
    }
}

fn sort_key<'a>(entry: &Entry<'a>) -> impl Iterator<Item = u8> + use<'a> {
    let slash = (entry.mode == Mode::Folder).then_some(b'/');
    entry.name.iter().copied().chain(slash)
}

fn show(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of entries with ids of ones; gives what is wrong with it, or its links' kinds.
    fn check(entries: &[(&str, &str)]) -> Result<Vec<Kind>, String> {
        let entry = |(mode, name): &(&str, &str)| [mode.as_bytes(), b" ", name.as_bytes(), b"\0", &[1; ID_BYTES]].concat();
        let bytes: Vec<u8> = entries.iter().flat_map(entry).collect();
        let mut kinds = Vec::new();
        check_tree(&bytes, |link| kinds.push(link.kind)).map(|()| kinds).map_err(|offence| offence.to_string())
    }

    #[test]
    fn good_trees_give_their_links() {
        let links = check(&[
            ("100644", ".gitignore"),
            ("120000", "a"),
            ("100755", "a.b"),
            ("40000", "a.c"),
            ("040000", "ab"),
            ("100664", "back\\slash"),
            ("160000", "lib"),
        ]);
        assert_eq!(links, Ok(vec![Kind::Blob, Kind::Blob, Kind::Blob, Kind::Tree, Kind::Tree, Kind::Blob]));
        assert_eq!(check(&[]), Ok(vec![]));
    }

    #[test]
    fn names_that_a_file_system_takes_for_others() {
        for bad in
            ["", ".", "..", ".git", ".GiT", "git~1", "GIT~1", ".git. ", ".git:x", "\u{feff}.git", "\u{200d}.git", "/", "a/b"]
        {
            assert!(check(&[("100644", bad)]).is_err(), "{bad:?}");
        }
        for good in [".gitattributes", "git", "git~2", "...", " ", "\u{200d}", "\u{fc}", "a:b", "a\\b"] {
            assert!(check(&[("100644", good)]).is_ok(), "{good:?}");
        }
        assert!(check(&[("120000", ".gitmodules")]).is_err() && check(&[("100644", ".gitmodules")]).is_ok());
    }

    #[test]
    fn order_and_duplicates() {
        let is_bad = |entries: &[(&str, &str)]| check(entries).is_err();
        assert!(is_bad(&[("100644", "b"), ("100644", "a")]));
        assert!(is_bad(&[("100644", "a"), ("100644", "a")]));
        assert!(is_bad(&[("100644", "a"), ("40000", "a")]));
        assert!(is_bad(&[("100644", "a"), ("100644", "a-"), ("100644", "a-b"), ("40000", "a")]));
        assert!(is_bad(&[("100644", "a"), ("100644", "a.b"), ("40000", "a.b"), ("40000", "a")]));
        // A folder sorts as if it ended in a slash.
        assert!(!is_bad(&[("100644", "a.b"), ("40000", "a"), ("100644", "a0")]));
        assert!(is_bad(&[("40000", "a"), ("100644", "a.b")]));
        assert!(!is_bad(&[("100644", "a"), ("100644", "a.b"), ("40000", "a.b.c"), ("40000", "ab")]));
    }

    #[test]
    fn modes() {
        for bad in ["0", "100", "10644", "160001", "120777", "150000", "9", "1000000644", "-100644", ""] {
            assert!(check(&[(bad, "a")]).is_err(), "{bad}");
        }
    }

    #[test]
    fn commits_and_tags() {
        const A: &str = "1111111111111111111111111111111111111111";
        let run = |kind: Kind, text: &str| {
            let mut kinds = Vec::new();
            super::check(kind, text.as_bytes(), |link| kinds.push(link.kind)).map(|()| kinds)
        };
        let people = "author A\ncommitter B\n\n";
        let commit = format!("tree {A}\nparent {A}\nparent {A}\n{people}");
        assert_eq!(run(Kind::Commit, &commit), Ok(vec![Kind::Tree, Kind::Commit, Kind::Commit]));
        for bad in [
            String::new(),
            people.to_owned(),
            format!("tree {A}"),
            format!("tree {A}\n"),
            format!("tree {A}\nparent x\n{people}"),
            format!("tree {A}\nauthor A\n"),
            format!("parent {A}\ntree {A}\n{people}"),
            format!("tree {}\n{people}", &A[1..]),
        ] {
            assert_eq!(run(Kind::Commit, &bad), Err(Offence::Malformed(Kind::Commit)), "{bad}");
        }
        assert_eq!(run(Kind::Tag, &format!("object {A}\ntype tree\ntag x\n")), Ok(vec![Kind::Tree]));
        assert!(run(Kind::Tag, &format!("object {A}\ntype twig\ntag x\n")).is_err());
        assert!(run(Kind::Tag, &format!("object {A}\ntype tree\n")).is_err());
    }
}
