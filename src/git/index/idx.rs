//! The pack's index, version 2 (gitformat-pack(5)).

use std::io::{self, BufWriter, Write};

use gix_hash::Kind as Hash;

use super::Found;
use super::stream::{Pack, finalize};

/// Offsets from here on stand in a table of their own.
const LARGE_OFFSET: u64 = 0x8000_0000;

/// Writes the index of `pack`, whose objects are `found`, sorted.
pub(super) fn write(out: impl Write, found: &[Found], pack: &Pack) -> io::Result<()> {
    let mut out = Summed { out: BufWriter::with_capacity(64 * 1024, out), hasher: gix_hash::hasher(Hash::Sha1) };
    out.write_all(b"\xfftOc\0\0\0\x02")?;
    for first_byte in 0..=u8::MAX {
        let upto = found.partition_point(|object| object.id.first_byte() <= first_byte);
        out.write_all(&u32::try_from(upto).expect("a pack's count fits").to_be_bytes())?;
    }
    for object in found {
        out.write_all(object.id.as_slice())?;
    }
    for object in found {
        out.write_all(&pack.entries[object.entry as usize].crc32.to_be_bytes())?;
    }
    let mut large = Vec::new();
    for object in found {
        let offset = pack.entries[object.entry as usize].offset;
        let field = match u32::try_from(offset) {
            Ok(offset) if u64::from(offset) < LARGE_OFFSET => offset,
            _ => {
                large.push(offset);
                0x8000_0000 | u32::try_from(large.len() - 1).expect("fewer large offsets than objects")
            }
        };
        out.write_all(&field.to_be_bytes())?;
    }
    for offset in large {
        out.write_all(&offset.to_be_bytes())?;
    }
    out.write_all(pack.checksum.as_slice())?;
    let checksum = finalize(out.hasher).map_err(|error| io::Error::other(error.to_string()))?;
    out.out.write_all(checksum.as_slice())?;
    out.out.flush()
}

/// Sums up what is written.
pub(super) struct Summed<W> {
    pub out: W,
    pub hasher: gix_hash::Hasher,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
