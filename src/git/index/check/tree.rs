//! Trees: their entries, one by one and in order.

use gix_hash::ObjectId;
use gix_object::Kind;

use super::names::{Meaning, meaning};
use super::special::{Form, Special};
use super::{Offence, Reference, show};
use crate::git::index::links::Link;
use crate::git::index::stream::ID_BYTES;

/// Longest name of an entry: what fsck takes for one that no file system can hold.
const MAX_NAME: usize = 4096;

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

pub(super) fn check(mut bytes: &[u8], mut refer: impl FnMut(Reference)) -> Result<(), Offence> {
    let mut order = Order::default();
    while !bytes.is_empty() {
        let (entry, rest) = take_entry(bytes)?;
        if let Some(special) = check_name(&entry)? {
            refer(Reference::Special(special));
        }
        if entry.id.is_null() {
            return Err(Offence::NullSha1(show(entry.name)));
        }
        order.check(entry)?;
        match entry.mode {
            Mode::Folder => refer(Reference::Link(Link { id: entry.id, kind: Kind::Tree })),
            Mode::File | Mode::Symlink => refer(Reference::Link(Link { id: entry.id, kind: Kind::Blob })),
            Mode::Submodule => {}
        }
        bytes = rest;
    }
    Ok(())
}

fn take_entry(bytes: &[u8]) -> Result<(Entry<'_>, &[u8]), Offence> {
    let space = bytes.iter().take(8).position(|byte| *byte == b' ').ok_or(Offence::BadTree)?;
    let mode = parse_mode(&bytes[..space]).ok_or_else(|| Offence::BadFilemode(show(&bytes[..space])))?;
    let rest = &bytes[space + 1..];
    let nul = rest.iter().position(|byte| *byte == 0).ok_or(Offence::BadTree)?;
    let (name, rest) = (&rest[..nul], &rest[nul + 1..]);
    let (id, rest) = rest.split_at_checked(ID_BYTES).ok_or(Offence::BadTree)?;
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

/// Refuses what may not be a name; tells whether it is that of a file whose content matters.
fn check_name(entry: &Entry<'_>) -> Result<Option<Special>, Offence> {
    let name = entry.name;
    match name {
        b"" => return Err(Offence::EmptyName),
        b"." => return Err(Offence::HasDot),
        b".." => return Err(Offence::HasDotdot),
        _ if name.len() > MAX_NAME => return Err(Offence::LargePathname(show(name))),
        _ if name.contains(&b'/') => return Err(Offence::FullPathname(show(name))),
        _ => {}
    }
    let form = match meaning(name) {
        None => return Ok(None),
        Some(Meaning::Git) => return Err(Offence::HasDotgit(show(name))),
        Some(Meaning::Modules) => Form::Modules,
        Some(Meaning::Attributes) => Form::Attributes,
    };
    match (entry.mode, form) {
        (Mode::File, _) => Ok(Some(Special { id: entry.id, form })),
        (Mode::Symlink, Form::Modules) => Err(Offence::GitmodulesSymlink),
        // git does not follow it, so it says nothing.
        (Mode::Symlink, Form::Attributes) => Ok(None),
        (Mode::Folder | Mode::Submodule, Form::Modules) => Err(Offence::GitmodulesBlob),
        (Mode::Folder | Mode::Submodule, Form::Attributes) => Err(Offence::GitattributesBlob),
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
            return Err(Offence::DuplicateEntries(show(entry.name)));
        }
        if sort_key(&last).gt(sort_key(&entry)) {
            return Err(Offence::TreeNotSorted(show(entry.name)));
        }
        while self.prefixes.pop_if(|prefix| !entry.name.starts_with(prefix)).is_some() {}
        if last.mode != Mode::Folder && entry.name.starts_with(last.name) {
            self.prefixes.push(last.name);
        }
        if entry.mode == Mode::Folder && self.prefixes.last() == Some(&entry.name) {
            return Err(Offence::DuplicateEntries(show(entry.name)));
        }
        Ok(())
    }
}

fn sort_key<'a>(entry: &Entry<'a>) -> impl Iterator<Item = u8> + use<'a> {
    let slash = (entry.mode == Mode::Folder).then_some(b'/');
    entry.name.iter().copied().chain(slash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of entries with ids of ones; gives what is wrong with it, or its links' kinds and the files that matter.
    fn check(entries: &[(&str, &str)]) -> Result<(Vec<Kind>, usize), String> {
        let entry = |(mode, name): &(&str, &str)| [mode.as_bytes(), b" ", name.as_bytes(), b"\0", &[1; ID_BYTES]].concat();
        let bytes: Vec<u8> = entries.iter().flat_map(entry).collect();
        let (mut kinds, mut special) = (Vec::new(), 0);
        let refer = |reference| match reference {
            Reference::Link(link) => kinds.push(link.kind),
            Reference::Special(_) => special += 1,
        };
        super::check(&bytes, refer).map_err(|offence| offence.to_string())?;
        Ok((kinds, special))
    }

    #[test]
    fn good_trees_give_their_links() {
        let found = check(&[
            ("100644", ".gitignore"),
            ("100644", ".gitmodules"),
            ("120000", "a"),
            ("100755", "a.b"),
            ("40000", "a.c"),
            ("040000", "ab"),
            ("100664", "back\\slash"),
            ("160000", "lib"),
        ]);
        let kinds = vec![Kind::Blob, Kind::Blob, Kind::Blob, Kind::Blob, Kind::Tree, Kind::Tree, Kind::Blob];
        assert_eq!(found, Ok((kinds, 1)));
        assert_eq!(check(&[]), Ok((vec![], 0)));
    }

    #[test]
    fn names() {
        let long = "x".repeat(MAX_NAME + 1);
        for (name, rule) in [
            ("", "emptyName: contains empty pathname"),
            (".", "hasDot: contains '.'"),
            ("..", "hasDotdot: contains '..'"),
            ("GIT~1", "hasDotgit: contains '.git' (GIT~1)"),
            ("a/b", "fullPathname: contains full pathnames (a/b)"),
            (&long, "largePathname: contains excessively large pathname"),
        ] {
            let found = check(&[("100644", name)]).unwrap_err();
            assert!(found.starts_with(rule), "{name:?}: {found}");
        }
        assert!(check(&[("100644", &long[1..])]).is_ok());
        let rule = |mode, name| check(&[(mode, name)]).map_err(|found| found.split(':').next().unwrap_or_default().to_owned());
        assert_eq!(rule("120000", ".gitmodules"), Err("gitmodulesSymlink".into()));
        assert_eq!(rule("40000", "gitmod~1"), Err("gitmodulesBlob".into()));
        assert_eq!(rule("160000", ".gitattributes"), Err("gitattributesBlob".into()));
        assert_eq!(rule("120000", ".gitattributes"), Ok((vec![Kind::Blob], 0)));
    }

    #[test]
    fn nothing_is_no_object() {
        let bytes = [b"100644 a\0".as_slice(), &[0; ID_BYTES]].concat();
        assert_eq!(super::check(&bytes, |_| ()), Err(Offence::NullSha1("a".into())));
    }

    #[test]
    fn order_and_duplicates() {
        let rule = |entries: &[(&str, &str)]| {
            check(entries).err().and_then(|found| found.split(':').next().map(str::to_owned)).unwrap_or_default()
        };
        assert_eq!(rule(&[("100644", "b"), ("100644", "a")]), "treeNotSorted");
        assert_eq!(rule(&[("100644", "a"), ("100644", "a")]), "duplicateEntries");
        assert_eq!(rule(&[("100644", "a"), ("40000", "a")]), "duplicateEntries");
        assert_eq!(rule(&[("100644", "a"), ("100644", "a-"), ("100644", "a-b"), ("40000", "a")]), "duplicateEntries");
        assert_eq!(rule(&[("100644", "a"), ("100644", "a.b"), ("40000", "a.b"), ("40000", "a")]), "duplicateEntries");
        // A folder sorts as if it ended in a slash.
        assert_eq!(rule(&[("100644", "a.b"), ("40000", "a"), ("100644", "a0")]), "");
        assert_eq!(rule(&[("40000", "a"), ("100644", "a.b")]), "treeNotSorted");
        assert_eq!(rule(&[("100644", "a"), ("100644", "a.b"), ("40000", "a.b.c"), ("40000", "ab")]), "");
    }

    #[test]
    fn modes() {
        for bad in ["0", "100", "10644", "160001", "120777", "150000", "9", "1000000644", "-100644", ""] {
            assert!(check(&[(bad, "a")]).is_err(), "{bad}");
        }
    }
}
