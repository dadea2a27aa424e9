//! Any bytes as a pack: refused in words, or every object in it was built, hashed and checked.

use hoist::git::examine_pack;

pub(crate) fn run(bytes: &[u8]) {
    // With the right checksum, or nothing behind it would ever be reached.
    let content = &bytes[..bytes.len().saturating_sub(20)];
    let checksum = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, content);
    let pack = &[content, checksum.as_ref()].concat()[..];
    let dir = tempfile::tempdir().expect("a folder of its own");
    match examine_pack(pack, dir.path()) {
        Err(why) => assert!(!why.is_empty()),
        // As many as it says: none refers to what is elsewhere, so none was added.
        Ok(objects) => assert_eq!(pack[8..12], u32::try_from(objects).expect("a pack's count fits").to_be_bytes()),
    }
}
