//! Counts the disk space that a tree takes.

use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What one file or folder costs besides its blocks: an inode of the usual size. So millions of empty files count.
const INODE_BYTES: u64 = 256;

/// Disk space taken by everything below `dir`, in bytes; a file with several names counts once. Files that go away
/// meanwhile do not count. A tree nested deeper than a path is long counts as endless.
pub(in crate::engine) fn disk_bytes(dir: &Path) -> io::Result<u64> {
    let mut total = 0;
    let mut counted = HashSet::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) if error.kind() == ErrorKind::InvalidFilename => return Ok(u64::MAX),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if metadata.nlink() > 1 && !counted.insert(metadata.ino()) {
                continue;
            }
            total += metadata.blocks() * 512 + INODE_BYTES;
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn counts_blocks_once_and_holes_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let before = disk_bytes(dir.path()).unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/full"), vec![1; 1 << 20]).unwrap();
        fs::hard_link(dir.path().join("a/full"), dir.path().join("again")).unwrap();
        File::create(dir.path().join("hole")).unwrap().set_len(1 << 30).unwrap();
        File::open(dir.path().join("a/full")).unwrap().sync_all().unwrap();
        let bytes = disk_bytes(dir.path()).unwrap();
        assert_eq!(before, 0);
        assert!((1 << 20..3 << 20).contains(&bytes), "{bytes}");
    }
}
