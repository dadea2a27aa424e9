//! Headers of bundles: no input panics, and what is taken has refs, each of them once.

use std::collections::HashSet;

use hoist::git::parse_bundle_header;

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(header) = parse_bundle_header(bytes) {
        assert!(!header.refs.is_empty() && bytes.starts_with(b"# v") && bytes.ends_with(b"\n\n"));
        let names: HashSet<_> = header.refs.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), header.refs.len());
        let lines = bytes.split(|byte| *byte == b'\n').count();
        assert!(header.refs.len() + header.prerequisites.len() + header.skipped.len() < lines);
    }
}
