//! What somebody asks the server of Git LFS: no input panics, and what counts as an object is one.

use hoist::transport::lfs::parse_batch;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(batch) = parse_batch(bytes) else { return };
    let text = String::from_utf8_lossy(bytes);
    for object in batch.objects {
        match object {
            Ok(object) => assert!(text.contains("\\u") || text.contains(&object.digest.hex())),
            Err(bad) => assert!(
                bad.size < 0 || bad.oid.len() != 64 || !bad.oid.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            ),
        }
    }
}
