//! git's own names in all their disguises: what macOS and Windows take for `.git`, `.gitmodules` and `.gitattributes`.
//!
//! Sources: git's `is_hfs_dot…` (utf8.c) and `is_ntfs_dot…` (path.c), which its fsck asks as well.

/// A name that means something to git, or leads it astray.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Git,
    Modules,
    Attributes,
}

/// The names of files that git obeys, without the dot, and the beginning of the short name that NTFS falls back to: two
/// letters and a hash of the name.
const FILES: [(Meaning, &str, &str); 2] =
    [(Meaning::Modules, "gitmodules", "gi7eba"), (Meaning::Attributes, "gitattributes", "gi7d29")];

/// Tells what an entry's name means to git on some file system.
///
/// To Windows a backslash divides folders, so that each part behind one counts as a name there.
pub(super) fn meaning(name: &[u8]) -> Option<Meaning> {
    // All disguises begin with one of these (the last two: code points that HFS+ ignores, and these only in front of
    // the first letter). There are millions of names, and this is enough for most of them.
    let may_mean = |part: &[u8]| matches!(part.first(), Some(b'.' | b'g' | b'G' | 0xe2 | 0xef));
    let whole = || hfs_meaning(name).or_else(|| ntfs_meaning(name));
    let first = if may_mean(name) { whole() } else { None };
    if first == Some(Meaning::Git) || !name.contains(&b'\\') {
        return first;
    }
    let parts = name.split(|byte| *byte == b'\\').filter(|part| may_mean(part));
    // The repository matters most: a part that is a file's name must not hide one behind it.
    let mut meanings: Vec<_> = parts.filter_map(ntfs_meaning).chain(first).collect();
    meanings.sort_by_key(|meaning| *meaning != Meaning::Git);
    meanings.first().copied()
}

fn hfs_meaning(name: &[u8]) -> Option<Meaning> {
    let is = |wanted: &str| is_hfs_dot(name, wanted);
    let file = || FILES.iter().find(|(_, wanted, _)| is(wanted)).map(|(meaning, ..)| *meaning);
    if is("git") { Some(Meaning::Git) } else { file() }
}

/// HFS+ ignores case and some code points. git takes the first byte that is no UTF-8 for the end, and so do we.
fn is_hfs_dot(name: &[u8], wanted: &str) -> bool {
    let valid = name.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let mut letters = valid.chars().filter(|letter| !is_ignored_by_hfs(*letter));
    letters.next() == Some('.') && letters.map(|letter| letter.to_ascii_lowercase()).eq(wanted.chars())
}

fn is_ignored_by_hfs(letter: char) -> bool {
    matches!(letter, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

fn ntfs_meaning(name: &[u8]) -> Option<Meaning> {
    let is_git = [&b".git"[..], b"git~1"].iter().any(|wanted| strip(name, wanted).is_some_and(is_ntfs_tail));
    let file = || FILES.iter().find(|(_, wanted, short)| is_ntfs_dot(name, wanted, short)).map(|(meaning, ..)| *meaning);
    if is_git { Some(Meaning::Git) } else { file() }
}

/// The long name, the short name of the first four files that begin so, or the short name with a hash of all others.
fn is_ntfs_dot(name: &[u8], wanted: &str, short: &str) -> bool {
    let long = name.strip_prefix(b".").and_then(|rest| strip(rest, wanted.as_bytes()));
    let numbered = || match strip(name, &wanted.as_bytes()[..6])? {
        [b'~', b'1'..=b'4', rest @ ..] => Some(rest),
        _ => None,
    };
    long.or_else(numbered).or_else(|| strip_hashed(name, short)).is_some_and(is_ntfs_tail)
}

/// Takes away a short name such as `gi7eba~1` or `gi7~1234`: eight bytes of a beginning of `short`, a tilde and a number.
fn strip_hashed<'a>(name: &'a [u8], short: &str) -> Option<&'a [u8]> {
    let (start, rest) = name.split_at_checked(8)?;
    let tilde = start.iter().position(|byte| *byte == b'~')?;
    let (letters, number) = (start.get(..tilde)?, start.get(tilde + 1..)?);
    let is_number = matches!(number, [b'1'..=b'9', digits @ ..] if digits.iter().all(u8::is_ascii_digit));
    let is_short = short.as_bytes().get(..tilde).is_some_and(|short| letters.eq_ignore_ascii_case(short));
    (is_number && is_short).then_some(rest)
}

/// NTFS drops spaces and dots at the end, and what follows a colon names a stream of the same file.
fn is_ntfs_tail(rest: &[u8]) -> bool {
    let rest = rest.iter().find(|byte| !matches!(byte, b' ' | b'.'));
    matches!(rest, None | Some(b':'))
}

fn strip<'a>(name: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = name.split_at_checked(wanted.len())?;
    start.eq_ignore_ascii_case(wanted).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &[&str], wanted: Option<Meaning>) {
        for name in names {
            assert_eq!(meaning(name.as_bytes()), wanted, "{name:?}");
        }
    }

    #[test]
    fn the_repository() {
        check(
            &[".git", ".GiT", "git~1", "GIT~1", ".git. ", ".git...", "git~1 ", ".git:x", ".git::$INDEX_ALLOCATION"],
            Some(Meaning::Git),
        );
        check(&["\u{feff}.git", "\u{200d}.git", ".g\u{200c}it", ".git\u{206f}", ".\u{202a}g\u{202e}IT"], Some(Meaning::Git));
        check(&["a\\.git", "a\\.git\\config", ".git\\x", "x\\y\\GIT~1 ."], Some(Meaning::Git));
        // Behind a name that means something else.
        check(&[".gitattributes\\.git\\hooks", "x\\.gitmodules\\.git\\config", ".gitmodules\\git~1"], Some(Meaning::Git));
        check(
            &[".gi", "git", "git~2", ".git~1", ".gitx", ".gitignore", "...", " .git", "a.git", "\u{200d}", "\u{fc}", "git~11"],
            None,
        );
        assert_eq!(meaning(b".git\xff"), Some(Meaning::Git));
        assert_eq!(meaning(b"\xff.git"), None);
    }

    #[test]
    fn the_files_that_git_obeys() {
        let modules = [
            ".gitmodules",
            ".GITMODULES",
            ".gitmodules .",
            ".gitmodules:x",
            "gitmod~1",
            "GITMOD~4 ",
            "gi7eba~1",
            "GI7EB~10",
            "gi7~1234",
        ];
        check(&modules, Some(Meaning::Modules));
        check(&["\u{200c}.gitmodules", ".git\u{200c}Modules", "a\\.gitmodules"], Some(Meaning::Modules));
        check(&[".gitattributes", "gitatt~1", "gi7d29~1", ".gitattributes\u{200e}"], Some(Meaning::Attributes));
        check(
            &["gitmodules", "gitmod~5", "gitmod~0", "gi7eba~0", "gi7ebb~1", "gi7d~1", ".gitmodules2", "gi7eba", "gi7eb~1a"],
            None,
        );
    }
}
