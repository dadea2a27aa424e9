//! The head of a bundle, as a pure function: lines in, values out.

use std::collections::HashSet;

use crate::model::{CommitId, RefName};

/// What a bundle begins with, in the two versions that there are.
const SIGNATURES: [&str; 2] = ["# v2 git bundle", "# v3 git bundle"];

/// What a bundle brings, besides its pack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundleHeader {
    pub refs: Vec<(RefName, CommitId)>,
    /// Commits that must be there already: the bundle has not what is behind them.
    pub prerequisites: Vec<CommitId>,
    /// Names that can't be those of a ref here, `refs/stash` for one.
    pub skipped: Vec<String>,
}

/// Why a file is no bundle, or none that can be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    #[error("it is not a git bundle")]
    Signature,
    #[error("it ends in its header")]
    Truncated,
    #[error("its header can't be read: {0}")]
    Line(String),
    #[error("its header names {0} twice")]
    Twice(RefName),
    #[error("it needs '{0}', which hoist does not know; make it without filters, in object format sha1")]
    Capability(String),
    #[error("it has no refs")]
    Empty,
}

/// Fails when a text, which may go on, is not a bundle's beginning.
pub(super) fn check_signature(text: &[u8]) -> Result<(), BundleError> {
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if SIGNATURES.iter().any(|signature| signature.as_bytes() == first) { Ok(()) } else { Err(BundleError::Signature) }
}

/// Reads a header, up to and with the empty line at its end.
///
/// # Errors
/// When it is none, or asks for something that hoist does not know.
pub fn parse_bundle_header(text: &[u8]) -> Result<BundleHeader, BundleError> {
    check_signature(text)?;
    let text = text.strip_suffix(b"\n\n").ok_or(BundleError::Truncated)?;
    let mut header = BundleHeader::default();
    let mut known = HashSet::new();
    for line in text.split(|byte| *byte == b'\n').skip(1) {
        if let Some(capability) = line.strip_prefix(b"@") {
            // The only one that changes nothing.
            if capability != b"object-format=sha1" {
                return Err(BundleError::Capability(shown(capability)));
            }
        } else if let Some(prerequisite) = line.strip_prefix(b"-") {
            // A comment may follow, the commit's subject.
            header.prerequisites.push(parse_id(prerequisite.split(|byte| *byte == b' ').next().unwrap_or_default())?);
        } else {
            header.add_ref(line, &mut known)?;
        }
    }
    if header.refs.is_empty() { Err(BundleError::Empty) } else { Ok(header) }
}

impl BundleHeader {
    fn add_ref(&mut self, line: &[u8], known: &mut HashSet<RefName>) -> Result<(), BundleError> {
        let bad = || BundleError::Line(shown(line));
        let (id, name) = line.split_at_checked(40).ok_or_else(bad)?;
        let name = name.strip_prefix(b" ").filter(|name| !name.is_empty()).ok_or_else(bad)?;
        let id = parse_id(id)?;
        match std::str::from_utf8(name).ok().and_then(|name| name.parse::<RefName>().ok()) {
            Some(name) if !known.insert(name.clone()) => return Err(BundleError::Twice(name)),
            Some(name) => self.refs.push((name, id)),
            // Which of the branches is checked out.
            None if name == b"HEAD" => {}
            None => self.skipped.push(shown(name)),
        }
        Ok(())
    }
}

fn parse_id(hex: &[u8]) -> Result<CommitId, BundleError> {
    let id = std::str::from_utf8(hex).ok().and_then(|hex| hex.parse().ok());
    id.ok_or_else(|| BundleError::Line(shown(hex)))
}

/// A piece of a stranger's text, for people.
fn shown(text: &[u8]) -> String {
    text[..text.len().min(200)].escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    /// `a` and `b` stand for ids.
    fn parse(lines: &[&str]) -> Result<BundleHeader, BundleError> {
        let line = |line: &&str| line.replace("{a}", A).replace("{b}", B) + "\n";
        parse_bundle_header(lines.iter().map(line).collect::<String>().as_bytes())
    }

    #[test]
    fn both_versions() {
        let refs = vec![("refs/heads/main".parse().unwrap(), A.parse().unwrap())];
        let read =
            parse(&["# v2 git bundle", "-{b} a subject", "-{a} ", "{a} HEAD", "{a} refs/heads/main", "{b} refs/stash", ""]);
        let prerequisites = vec![B.parse().unwrap(), A.parse().unwrap()];
        assert_eq!(read.unwrap(), BundleHeader { refs: refs.clone(), prerequisites, skipped: vec!["refs/stash".into()] });
        let read = parse(&["# v3 git bundle", "@object-format=sha1", "{a} refs/heads/main", ""]);
        assert_eq!(read.unwrap(), BundleHeader { refs, ..BundleHeader::default() });
    }

    #[test]
    fn what_is_none() {
        let line = |text: &str| BundleError::Line(text.to_owned());
        for (lines, error) in [
            (&["# v1 git bundle", "{a} refs/heads/main", ""][..], BundleError::Signature),
            (&["PACK", ""], BundleError::Signature),
            (&["# v2 git bundle", "{a} refs/heads/main"], BundleError::Truncated),
            (&["# v2 git bundle", "", ""], line("")),
            (&["# v2 git bundle", ""], BundleError::Empty),
            (&["# v2 git bundle", "{a} HEAD", ""], BundleError::Empty),
            (&["# v2 git bundle", "{a}refs/heads/main", ""], line(&format!("{A}refs/heads/main"))),
            (&["# v2 git bundle", "{a} ", ""], line(&format!("{A} "))),
            (&["# v2 git bundle", "-xyz", "{a} refs/heads/main", ""], line("xyz")),
            (
                &["# v3 git bundle", "@filter=blob:none", "{a} refs/heads/main", ""],
                BundleError::Capability("filter=blob:none".into()),
            ),
            (
                &["# v2 git bundle", "{a} refs/heads/x", "{b} refs/heads/x", ""],
                BundleError::Twice("refs/heads/x".parse().unwrap()),
            ),
        ] {
            assert_eq!(parse(lines), Err(error), "{lines:?}");
        }
    }
}
