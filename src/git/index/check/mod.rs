//! What `git fsck` would refuse and a server must: objects that cannot be checked out safely, or not be read at all.
//!
//! The rules and their words are those of git-fsck(1), "FSCK MESSAGES", as `receive.fsckObjects` applies them: errors and
//! warnings. Left out are odd people and dates and padded modes, which old histories are full of and which harm nobody.
//!
//! In reading order: this file reads commits and tags; `tree` reads trees, in which `names` tells the disguises of git's
//! own names; `special` reads the files that git itself obeys.

mod tree;

mod names;

pub(super) mod special;

use gix_hash::ObjectId;
use gix_object::Kind;

use super::links::Link;
use special::Special;

/// What is wrong with an object, in git's words. The texts are shown to whoever has pushed it, or has had it fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Offence {
    #[error("badTree: cannot be parsed as a tree")]
    BadTree,
    #[error("badFilemode: contains bad file modes ({0})")]
    BadFilemode(String),
    #[error("emptyName: contains empty pathname")]
    EmptyName,
    #[error("fullPathname: contains full pathnames ({0})")]
    FullPathname(String),
    #[error("largePathname: contains excessively large pathname ({0}…)")]
    LargePathname(String),
    #[error("hasDot: contains '.'")]
    HasDot,
    #[error("hasDotdot: contains '..'")]
    HasDotdot,
    #[error("hasDotgit: contains '.git' ({0})")]
    HasDotgit(String),
    #[error("nullSha1: contains entries pointing to null sha1 ({0})")]
    NullSha1(String),
    #[error("treeNotSorted: not properly sorted ({0})")]
    TreeNotSorted(String),
    #[error("duplicateEntries: contains duplicate file entries ({0})")]
    DuplicateEntries(String),
    #[error("gitmodulesSymlink: .gitmodules is a symbolic link")]
    GitmodulesSymlink,
    #[error("gitmodulesBlob: non-blob found at .gitmodules")]
    GitmodulesBlob,
    #[error("gitmodulesLarge: .gitmodules too large to parse")]
    GitmodulesLarge,
    #[error("gitmodulesParse: could not parse gitmodules blob")]
    GitmodulesParse,
    #[error("gitmodulesName: disallowed submodule name: {0}")]
    GitmodulesName(String),
    #[error("gitmodulesUrl: disallowed submodule url: {0}")]
    GitmodulesUrl(String),
    #[error("gitmodulesPath: disallowed submodule path: {0}")]
    GitmodulesPath(String),
    #[error("gitmodulesUpdate: disallowed submodule update setting: {0}")]
    GitmodulesUpdate(String),
    #[error("gitattributesBlob: non-blob found at .gitattributes")]
    GitattributesBlob,
    #[error("gitattributesLarge: .gitattributes too large to parse")]
    GitattributesLarge,
    #[error("gitattributesLineLength: .gitattributes has too long lines to parse")]
    GitattributesLineLength,
    #[error("nulInHeader: unterminated header: NUL at offset {0}")]
    NulInHeader(usize),
    #[error("unterminatedHeader: unterminated header")]
    UnterminatedHeader,
    /// A rule of hoist's own.
    #[error("tooManyParents: has more than {MAX_PARENTS} parents: merge fewer at once")]
    TooManyParents,
    #[error("nulInCommit: NUL byte in the commit object body")]
    NulInCommit,
    /// A line that is missing or malformed: the rule, and which line.
    #[error("{rule}: {what}")]
    Line { rule: &'static str, what: &'static str },
}

/// More parents than anybody merges (the kernel's largest merge has 66): whoever reads a commit reads what each of them has.
const MAX_PARENTS: usize = 1024;

const MISSING_TREE: Offence = Offence::Line { rule: "missingTree", what: "invalid format - expected 'tree' line" };
const BAD_TREE_ID: Offence = Offence::Line { rule: "badTreeSha1", what: "invalid 'tree' line format - bad sha1" };
const BAD_PARENT_ID: Offence = Offence::Line { rule: "badParentSha1", what: "invalid 'parent' line format - bad sha1" };
const MISSING_AUTHOR: Offence = Offence::Line { rule: "missingAuthor", what: "invalid format - expected 'author' line" };
const MULTIPLE_AUTHORS: Offence = Offence::Line { rule: "multipleAuthors", what: "invalid format - multiple 'author' lines" };
const MISSING_COMMITTER: Offence = Offence::Line { rule: "missingCommitter", what: "invalid format - expected 'committer' line" };
const MISSING_OBJECT: Offence = Offence::Line { rule: "missingObject", what: "invalid format - expected 'object' line" };
const BAD_OBJECT_ID: Offence = Offence::Line { rule: "badObjectSha1", what: "invalid 'object' line format - bad sha1" };
const MISSING_TYPE: Offence = Offence::Line { rule: "missingTypeEntry", what: "invalid format - expected 'type' line" };
const BAD_TYPE: Offence = Offence::Line { rule: "badType", what: "invalid 'type' value" };
const MISSING_TAG: Offence = Offence::Line { rule: "missingTagEntry", what: "invalid format - expected 'tag' line" };

/// What an object refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference {
    /// An object that must be there.
    Link(Link),
    /// A file that git obeys, whose content is to be checked.
    Special(Special),
}

/// Checks an object and hands over what it refers to. Submodules refer to other repositories and are not handed over.
pub(super) fn check(kind: Kind, bytes: &[u8], refer: impl FnMut(Reference)) -> Result<(), Offence> {
    match kind {
        Kind::Blob => Ok(()),
        Kind::Tree => tree::check(bytes, refer),
        Kind::Commit => check_commit(bytes, refer),
        Kind::Tag => check_tag(bytes, refer),
    }
}

fn check_commit(bytes: &[u8], mut refer: impl FnMut(Reference)) -> Result<(), Offence> {
    check_header(bytes)?;
    let (tree, mut rest) = take_line(bytes, b"tree ", MISSING_TREE)?;
    let tree = read_id(tree, BAD_TREE_ID)?;
    refer(Reference::Link(Link { id: tree, kind: Kind::Tree }));
    let mut parents = 0;
    while rest.starts_with(b"parent ") {
        parents += 1;
        if parents > MAX_PARENTS {
            return Err(Offence::TooManyParents);
        }
        let (parent, after) = take_line(rest, b"parent ", BAD_PARENT_ID)?;
        refer(Reference::Link(Link { id: read_id(parent, BAD_PARENT_ID)?, kind: Kind::Commit }));
        rest = after;
    }
    let (_, rest) = take_line(rest, b"author ", MISSING_AUTHOR)?;
    if rest.starts_with(b"author ") {
        return Err(MULTIPLE_AUTHORS);
    }
    let (_, rest) = take_line(rest, b"committer ", MISSING_COMMITTER)?;
    if rest.contains(&0) { Err(Offence::NulInCommit) } else { Ok(()) }
}

fn check_tag(bytes: &[u8], mut refer: impl FnMut(Reference)) -> Result<(), Offence> {
    check_header(bytes)?;
    let (id, rest) = take_line(bytes, b"object ", MISSING_OBJECT)?;
    let id = read_id(id, BAD_OBJECT_ID)?;
    let (kind, rest) = take_line(rest, b"type ", MISSING_TYPE)?;
    let kind = Kind::from_bytes(kind).map_err(|_| BAD_TYPE)?;
    take_line(rest, b"tag ", MISSING_TAG)?;
    refer(Reference::Link(Link { id, kind }));
    Ok(())
}

/// The header of a commit or tag, up to the first empty line, is whole lines without NUL.
fn check_header(bytes: &[u8]) -> Result<(), Offence> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    if let Some(at) = bytes[..end].iter().position(|byte| *byte == 0) {
        return Err(Offence::NulInHeader(at));
    }
    if end < bytes.len() || bytes.ends_with(b"\n") { Ok(()) } else { Err(Offence::UnterminatedHeader) }
}

fn read_id(hex: &[u8], bad: Offence) -> Result<ObjectId, Offence> {
    ObjectId::from_hex(hex).map_err(|_| bad)
}

/// Reads a line that begins with a key; gives what follows the key, and the lines after.
fn take_line<'a>(bytes: &'a [u8], key: &[u8], missing: Offence) -> Result<(&'a [u8], &'a [u8]), Offence> {
    let Some(bytes) = bytes.strip_prefix(key) else { return Err(missing) };
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Err(missing) };
    Ok((&bytes[..end], &bytes[end + 1..]))
}

/// A stranger's text, for people.
fn show(text: &[u8]) -> String {
    String::from_utf8_lossy(text).escape_debug().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";

    fn run(kind: Kind, text: &str) -> Result<Vec<Kind>, String> {
        let mut kinds = Vec::new();
        let refer = |reference| match reference {
            Reference::Link(link) => kinds.push(link.kind),
            Reference::Special(_) => {}
        };
        check(kind, text.as_bytes(), refer).map_err(|offence| offence.to_string())?;
        Ok(kinds)
    }

    #[test]
    fn commits() {
        let people = "author A\ncommitter B\n";
        let commit = format!("tree {A}\nparent {A}\nparent {A}\n{people}");
        let links = vec![Kind::Tree, Kind::Commit, Kind::Commit];
        assert_eq!(run(Kind::Commit, &commit), Ok(links.clone()), "a message is not needed");
        assert_eq!(run(Kind::Commit, &format!("{commit}gpgsig x\n\nm")), Ok(links));
        for (bad, rule) in [
            (String::new(), "unterminatedHeader: unterminated header"),
            (format!("tree {A}"), "unterminatedHeader: "),
            (format!("tree {A}\0\n\n"), "nulInHeader: unterminated header: NUL at offset 45"),
            (format!("tree {A}\n{people}\n\0"), "nulInCommit: NUL byte in the commit object body"),
            (people.to_owned(), "missingTree: invalid format - expected 'tree' line"),
            (format!("parent {A}\ntree {A}\n{people}"), "missingTree: "),
            (format!("tree {}\n{people}", &A[1..]), "badTreeSha1: invalid 'tree' line format - bad sha1"),
            (format!("tree {A}\nparent x\n{people}"), "badParentSha1: invalid 'parent' line format - bad sha1"),
            (format!("tree {A}\n"), "missingAuthor: invalid format - expected 'author' line"),
            (format!("tree {A}\nauthor A\n{people}"), "multipleAuthors: invalid format - multiple 'author' lines"),
            (format!("tree {A}\nauthor A\n"), "missingCommitter: invalid format - expected 'committer' line"),
        ] {
            let found = run(Kind::Commit, &bad).unwrap_err();
            assert!(found.starts_with(rule), "{bad:?}: {found}");
        }
    }

    #[test]
    fn tags() {
        assert_eq!(run(Kind::Tag, &format!("object {A}\ntype tree\ntag x\n")), Ok(vec![Kind::Tree]));
        for (bad, rule) in [
            (format!("type tree\nobject {A}\ntag x\n"), "missingObject: invalid format - expected 'object' line"),
            ("object x\ntype tree\ntag x\n".to_owned(), "badObjectSha1: invalid 'object' line format - bad sha1"),
            (format!("object {A}\ntag x\n"), "missingTypeEntry: invalid format - expected 'type' line"),
            (format!("object {A}\ntype twig\ntag x\n"), "badType: invalid 'type' value"),
            (format!("object {A}\ntype tree\n"), "missingTagEntry: invalid format - expected 'tag' line"),
        ] {
            let found = run(Kind::Tag, &bad).unwrap_err();
            assert!(found.starts_with(rule), "{bad:?}: {found}");
        }
    }
}
