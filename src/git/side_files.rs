//! What lies beside a pack and its index: `.rev`, the order of its entries, and `.roots`. Both can be done without; then
//! more of the pack is read.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use gix_hash::{Kind as Hash, ObjectId, oid};

/// The head of a reverse index: `RIDX`, version 1, SHA-1 (gitformat-pack(5)).
pub(super) const ORDER_MAGIC: &[u8; 12] = b"RIDX\0\0\0\x01\0\0\0\x01";
/// The head of a file of roots, version 2. They are counted and follow, sorted; then come the pack's checksum and the
/// file's own.
pub(super) const ROOTS_MAGIC: &[u8; 8] = b"ROOT\0\0\0\x02";
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
    /// Opens the file of a pack of so many objects and with this checksum; `None` when there is none that is whole.
    pub(super) fn open(path: &Path, count: u32, pack: &oid) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (mut head, mut checksum) = ([0; ORDER_MAGIC.len()], [0; ID_BYTES]);
        let end = ORDER_MAGIC.len() as u64 + 4 * u64::from(count);
        if file.metadata()?.len() != end + 2 * ID_BYTES as u64 {
            return Ok(None);
        }
        file.read_exact_at(&mut head, 0)?;
        file.read_exact_at(&mut checksum, end)?;
        let is_whole = head == *ORDER_MAGIC && checksum == *pack.as_bytes();
        Ok(is_whole.then_some(Self { file, count, block_at: 0, block: Vec::new() }))
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

/// Reads the roots of the pack with this checksum, sorted; `None` when they were not written down, or have been damaged
/// since: whoever trusts them gives out whatever there is.
pub(super) fn read_roots(path: &Path, pack: &oid) -> io::Result<Option<Vec<ObjectId>>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take((ROOTS_MAGIC.len() + 4 + (MOST_ROOTS + 3) * ID_BYTES) as u64).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(roots_in(&bytes, pack))
}

fn roots_in(bytes: &[u8], pack: &oid) -> Option<Vec<ObjectId>> {
    let (rest, checksum) = bytes.split_last_chunk::<ID_BYTES>()?;
    let mut hasher = gix_hash::hasher(Hash::Sha1);
    hasher.update(rest);
    if hasher.try_finalize().ok()?.as_slice() != checksum {
        return None;
    }
    let (rest, of_pack) = rest.split_last_chunk::<ID_BYTES>()?;
    let (count, ids) = rest.strip_prefix(ROOTS_MAGIC)?.split_first_chunk()?;
    let count = u32::from_be_bytes(*count) as usize;
    // Every pack has an object that none of its objects refers to.
    if of_pack != pack.as_bytes() || count == 0 || ids.len() != count * ID_BYTES {
        return None;
    }
    Some(ids.chunks_exact(ID_BYTES).map(ObjectId::from_bytes_or_panic).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACK: ObjectId = ObjectId::Sha1([7; ID_BYTES]);

    /// A file of roots of [`PACK`].
    fn roots(count: u32, ids: &[u8]) -> Vec<u8> {
        let mut bytes = [&ROOTS_MAGIC[..], &count.to_be_bytes()].concat();
        for id in ids {
            bytes.extend([*id; ID_BYTES]);
        }
        bytes.extend(PACK.as_slice());
        let mut hasher = gix_hash::hasher(Hash::Sha1);
        hasher.update(&bytes);
        bytes.extend(hasher.try_finalize().unwrap().as_slice());
        bytes
    }

    #[test]
    fn roots_are_whole_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pack.roots");
        assert_eq!(read_roots(&path, &PACK).unwrap(), None);
        let bytes = roots(2, &[1, 2]);
        std::fs::write(&path, &bytes).unwrap();
        let read = read_roots(&path, &PACK).unwrap().unwrap();
        assert_eq!(read, [1, 2].map(|byte| ObjectId::from_bytes_or_panic(&[byte; ID_BYTES])));
        assert_eq!(read_roots(&path, &ObjectId::Sha1([8; ID_BYTES])).unwrap(), None, "another pack's");
        for at in 0..bytes.len() {
            assert_eq!(roots_in(&bytes[..at], &PACK), None, "cut off at {at}");
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert_eq!(roots_in(&flipped, &PACK), None, "flipped at {at}");
        }
        assert_eq!(roots_in(&roots(0, &[]), &PACK), None, "no pack has no roots");
        assert_eq!(roots_in(&roots(3, &[1, 2]), &PACK), None);
    }

    #[test]
    fn an_order_is_read_in_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pack.rev");
        let count = 3 * BLOCK + 5;
        let mut bytes = ORDER_MAGIC.to_vec();
        bytes.extend((0..count).rev().flat_map(u32::to_be_bytes));
        bytes.extend(PACK.as_slice());
        bytes.extend([0; ID_BYTES]);
        std::fs::write(&path, &bytes).unwrap();
        let mut order = Order::open(&path, count, &PACK).unwrap().unwrap();
        for position in [0, BLOCK, count - 1, 1, 2 * BLOCK - 1] {
            assert_eq!(order.place(position).unwrap(), count - 1 - position);
        }
        assert!(Order::open(&path, count + 1, &PACK).unwrap().is_none());
        assert!(Order::open(&path, count, &ObjectId::Sha1([8; ID_BYTES])).unwrap().is_none(), "another pack's");
    }
}
