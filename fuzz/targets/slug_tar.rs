//! Any bytes as the tar of a build's folder: refused, or rewritten to a tar with nothing outside `./app/`.

pub(crate) fn run(tar: &[u8]) {
    let mut slug = Vec::new();
    if hoist::slug::rewrite(tar, &mut slug, &mut ()).is_err() {
        return;
    }
    let mut archive = tar::Archive::new(&slug[..]);
    for entry in archive.entries().expect("a slug is a tar") {
        let path = entry.expect("a slug is a whole tar").path_bytes().into_owned();
        assert!(path.starts_with(b"./app/"), "{}", path.escape_ascii());
        assert!(!path.split(|byte| *byte == b'/').any(|part| part == b".."), "{}", path.escape_ascii());
    }
}
