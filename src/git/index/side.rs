//! Files beside the pack, for those who read it later: the order of its entries, and where reading has to begin to get
//! to all of it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use gix_hash::{Kind as Hash, ObjectId};

use super::Found;
use super::idx::Summed;
use super::stream::{Pack, finalize};
use crate::git::side_files::{MOST_ROOTS, ORDER_MAGIC, ROOTS_MAGIC};

/// Writes the order of the pack's entries: for each the place of its object in the index. The format is git's own
/// reverse index (gitformat-pack(5), "pack-*.rev files").
pub(super) fn write_order(path: &Path, found: &[Found], pack: &Pack) -> io::Result<()> {
    let mut places = vec![0_u32; found.len()];
    for (place, object) in (0..).zip(found) {
        places[object.entry as usize] = place;
    }
    let mut out = summed(path)?;
    out.write_all(ORDER_MAGIC)?;
    for place in places {
        out.write_all(&place.to_be_bytes())?;
    }
    finish(out, pack)
}

/// Writes the pack's roots: its objects that no other of its objects refers to. Every object of the pack can be
/// reached from them. Nothing is written for a pack of very many, nor for one that has an object twice: such packs
/// are read in full by whoever wants to know.
pub(super) fn write_roots(path: &Path, roots: &[ObjectId], found: &[Found], pack: &Pack) -> io::Result<()> {
    let has_twice = found.windows(2).any(|pair| pair[0].id == pair[1].id);
    if roots.len() > MOST_ROOTS || has_twice {
        return Ok(());
    }
    let mut out = summed(path)?;
    out.write_all(ROOTS_MAGIC)?;
    let count = u32::try_from(roots.len()).expect("it was compared with a small number");
    out.write_all(&count.to_be_bytes())?;
    for root in roots {
        out.write_all(root.as_slice())?;
    }
    finish(out, pack)
}

fn summed(path: &Path) -> io::Result<Summed<BufWriter<File>>> {
    let out = BufWriter::with_capacity(64 * 1024, File::create_new(path)?);
    Ok(Summed { out, hasher: gix_hash::hasher(Hash::Sha1) })
}

/// Writes the end that these files have: the pack's checksum and their own.
fn finish(mut out: Summed<BufWriter<File>>, pack: &Pack) -> io::Result<()> {
    out.write_all(pack.checksum.as_slice())?;
    let checksum = finalize(out.hasher).map_err(|error| io::Error::other(error.to_string()))?;
    out.out.write_all(checksum.as_slice())?;
    out.out.flush()
}
