//! Files that may be pointers of Git LFS: no input panics, and a pointer has what one needs.

use hoist::git::parse_pointer;

pub(crate) fn run(bytes: &[u8]) {
    if let Some(object) = parse_pointer(bytes) {
        let text = std::str::from_utf8(bytes).expect("a pointer is text").to_ascii_lowercase();
        assert!(text.contains(&object.digest.hex()) && text.contains("oid sha256:"));
    }
}
