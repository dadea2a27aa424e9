//! What lies beside a pack and its index: `.rev`, the order of its entries, and `.roots`. Both can be done without; then
//! more of the pack is read.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use gix_hash::ObjectId;

/// The head of a reverse index: `RIDX`, version 1, SHA-1 (gitformat-pack(5)).
pub(super) const ORDER_MAGIC: &[u8; 12] = b"RIDX\0\0\0\x01\0\0\0\x01";
/// The head of a file of roots, which are counted and follow, sorted.
pub(super) const ROOTS_MAGIC: &[u8; 8] = b"ROOT\0\0\0\x01";
/// Most roots of a pack that are written down.
pub(super) const MOST_ROOTS: usize = 100_000;

const ID_BYTES: usize = 20;
/// Entries of an order that are read at once.
const BLOCK: u32 = 1024;

/// The order of a pack's entries: for each the place of its object in the index. Only as much of it is in memory as
/// was asked for last.
pub(super) struct Order {
    file: File,
    count: u32,
    block_at: u32,
    block: Vec<u32>,
}

impl Order {
    /// Opens the file of a pack of so many objects; `None` when there is none that is whole.
    pub(super) fn open(path: &Path, count: u32) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut head = [0; ORDER_MAGIC.len()];
        let wanted = ORDER_MAGIC.len() as u64 + 4 * u64::from(count) + 2 * ID_BYTES as u64;
        if file.metadata()?.len() != wanted || file.read_exact_at(&mut head, 0).is_err() || head != *ORDER_MAGIC {
            return Ok(None);
        }
        Ok(Some(Self { file, count, block_at: 0, block: Vec::new() }))
    }

    /// The place in the index of the object at this position in the pack.
    pub(super) fn place(&mut self, position: u32) -> io::Result<u32> {
        let block_at = position - position % BLOCK;
        if self.block.is_empty() || self.block_at != block_at {
            let mut bytes = vec![0; 4 * (self.count - block_at).min(BLOCK) as usize];
            self.file.read_exact_at(&mut bytes, ORDER_MAGIC.len() as u64 + 4 * u64::from(block_at))?;
            self.block = bytes.as_chunks().0.iter().map(|number| u32::from_be_bytes(*number)).collect();
            self.block_at = block_at;
        }
        Ok(self.block[(position - block_at) as usize])
    }
}

/// Reads the roots of a pack, sorted; `None` when they were not written down.
pub(super) fn read_roots(path: &Path) -> io::Result<Option<Vec<ObjectId>>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take((ROOTS_MAGIC.len() + 4 + (MOST_ROOTS + 1) * ID_BYTES) as u64).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some((count, ids)) = bytes.strip_prefix(ROOTS_MAGIC).and_then(|rest| rest.split_first_chunk()) else { return Ok(None) };
    if ids.len() != u32::from_be_bytes(*count) as usize * ID_BYTES {
        return Ok(None);
    }
    Ok(Some(ids.chunks_exact(ID_BYTES).map(ObjectId::from_bytes_or_panic).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_whole_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pack.roots");
        assert_eq!(read_roots(&path).unwrap(), None);
        let mut bytes = ROOTS_MAGIC.to_vec();
        bytes.extend(2_u32.to_be_bytes());
        bytes.extend([1; ID_BYTES]);
        bytes.extend([2; ID_BYTES]);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read_roots(&path).unwrap().unwrap(), [1, 2].map(|byte| ObjectId::from_bytes_or_panic(&[byte; ID_BYTES])));
        for end in 0..bytes.len() {
            std::fs::write(&path, &bytes[..end]).unwrap();
            assert_eq!(read_roots(&path).unwrap(), None, "{end}");
        }
    }

    #[test]
    fn an_order_is_read_in_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pack.rev");
        let count = 3 * BLOCK + 5;
        let mut bytes = ORDER_MAGIC.to_vec();
        bytes.extend((0..count).rev().flat_map(u32::to_be_bytes));
        bytes.extend([0; 2 * ID_BYTES]);
        std::fs::write(&path, &bytes).unwrap();
        let mut order = Order::open(&path, count).unwrap().unwrap();
        for position in [0, BLOCK, count - 1, 1, 2 * BLOCK - 1] {
            assert_eq!(order.place(position).unwrap(), count - 1 - position);
        }
        assert!(Order::open(&path, count + 1).unwrap().is_none());
    }
}
