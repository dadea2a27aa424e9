//! Any bytes as a pack: refused in words, or every object in it was built, hashed and checked.

use hoist::git::examine_pack;

pub(crate) fn run(pack: &[u8]) {
    let dir = tempfile::tempdir().expect("a folder of its own");
    match examine_pack(pack, dir.path()) {
        Err(why) => assert!(!why.is_empty()),
        // As many as it says: none refers to what is elsewhere, so none was added.
        Ok(objects) => assert_eq!(pack[8..12], u32::try_from(objects).expect("a pack's count fits").to_be_bytes()),
    }
}
