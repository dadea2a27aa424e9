//! `.dockerignore`: which files are no part of a build's context. The Engine leaves that to its clients.
//!
//! Its patterns are not gitignore's, though alike: each counts from the context's root, what it matches goes with
//! everything below, and the last one that matches decides, so that `!` can bring something back from a folder that is
//! excluded (Docker's reference of the Dockerfile, ".dockerignore file").

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Patterns that exclude, and patterns that bring back, may alternate so often: each change costs a search for each file.
const MOST_TURNS: usize = 200;

/// A parsed `.dockerignore`.
#[derive(Debug, Default)]
pub(super) struct Dockerignore(Vec<Turn>);

/// Consecutive patterns of one kind.
#[derive(Debug)]
struct Turn {
    excludes: bool,
    patterns: Gitignore,
}

impl Dockerignore {
    /// The largest file that is read, in bytes.
    pub(super) const MAX_BYTES: u64 = 64 * 1024;

    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() as u64 > Self::MAX_BYTES {
            return Err(format!("it is longer than {} bytes", Self::MAX_BYTES));
        }
        let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8 text".to_owned())?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut turns: Vec<(bool, GitignoreBuilder)> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let Some((excludes, pattern)) = parse_line(line) else { continue };
            if turns.last().is_none_or(|(kind, _)| *kind != excludes) {
                turns.push((excludes, GitignoreBuilder::new("")));
            }
            let (_, builder) = turns.last_mut().expect("one was just put there");
            builder.add_line(None, &pattern).map_err(|error| format!("line {number}: {error}"))?;
        }
        if turns.len() > MOST_TURNS {
            return Err(format!("patterns with `!` and without alternate more than {MOST_TURNS} times: put them together"));
        }
        let built = turns.into_iter().map(|(excludes, builder)| {
            let patterns = builder.build().map_err(|error| error.to_string())?;
            Ok(Turn { excludes, patterns })
        });
        built.collect::<Result<_, String>>().map(Self)
    }

    /// Whether a path of the context is left out.
    pub(super) fn excludes(&self, path: &[u8]) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        let matches = |turn: &&Turn| turn.patterns.matched_path_or_any_parents(path, false).is_ignore();
        self.0.iter().rev().find(matches).is_some_and(|turn| turn.excludes)
    }
}

/// Whether the line excludes, and its pattern as gitignore writes it: with the root in front.
fn parse_line(line: &str) -> Option<(bool, String)> {
    if line.starts_with('#') {
        return None;
    }
    let line = line.trim();
    let (excludes, pattern) = line.strip_prefix('!').map_or((true, line), |rest| (false, rest.trim()));
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    // `.` excludes nothing, for historical reasons.
    (!parts.is_empty()).then(|| (excludes, format!("/{}", parts.join("/"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded<'a>(text: &str, paths: &[&'a str]) -> Vec<&'a str> {
        let ignore = Dockerignore::parse(text.as_bytes()).unwrap();
        paths.iter().filter(|path| ignore.excludes(path.as_bytes())).copied().collect()
    }

    #[test]
    fn the_references_examples() {
        let paths = ["temp", "a/temp", "a/b/temp", "tempa", "a/tempb/x", "x.go", "a/x.go"];
        assert_eq!(excluded("# comment\n*/temp*\n*/*/temp*\ntemp?\n", &paths), ["a/temp", "a/b/temp", "tempa", "a/tempb/x"]);
        assert_eq!(excluded("**/*.go", &paths), ["x.go", "a/x.go"]);
        let paths = ["README.md", "README-secret.md", "a.md"];
        assert_eq!(excluded("*.md\n!README.md", &paths), ["README-secret.md", "a.md"]);
        assert_eq!(excluded("*.md\n!README*.md\nREADME-secret.md", &paths), ["README-secret.md", "a.md"]);
        assert_eq!(excluded("*.md\nREADME-secret.md\n!README*.md", &paths), ["a.md"]);
    }

    #[test]
    fn patterns_count_from_the_root_and_take_everything_below() {
        let paths = ["log", "log/a/b", "src/log", "logs"];
        for pattern in ["log", "/log", "./log/", " log ", "x/../log"] {
            assert_eq!(excluded(pattern, &paths), ["log", "log/a/b"], "{pattern}");
        }
        assert_eq!(excluded("*\n!src", &paths), ["log", "log/a/b", "logs"]);
        assert_eq!(excluded(".\n\n/\n", &paths), [""; 0]);
    }

    #[test]
    fn what_can_not_be_read_is_told() {
        assert!(Dockerignore::parse(b"\xff").is_err());
        assert!(Dockerignore::parse("a\n!b\n".repeat(MOST_TURNS).as_bytes()).is_err());
        assert!(Dockerignore::parse("a\n".repeat(MOST_TURNS * 2).as_bytes()).is_ok());
        assert!(Dockerignore::parse(b"ok\n[z-a]\n").unwrap_err().starts_with("line 2: "));
    }
}
