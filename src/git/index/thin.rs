//! Completes a thin pack: bases that the pusher left out, because the repository has them, are added to it.
//!
//! Every pack of a repository stands for itself then, and may be merged or dropped without asking the others.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use gix_hash::{Kind as Hash, ObjectId};
use gix_pack::data::{header, input};

use super::stream::{Entry, Form, Pack, finalize};
use super::{Error, Flaw};
use crate::git::objects::Objects;

/// Appends the bases of the deltas that nobody has claimed, as far as the repository has them; gives the positions
/// of the new entries.
pub(super) fn complete(pack: &mut Pack, file: &File, main: &mut Objects, claimed: &[AtomicBool]) -> Result<Vec<u32>, Error> {
    let pending = pack.id_deltas.iter().zip(claimed).filter(|(_, claimed)| !claimed.load(Ordering::Relaxed));
    let mut bases: Vec<ObjectId> = pending.map(|((base, _), _)| *base).collect();
    bases.dedup();

    let first = pack.entries.len();
    (&*file).seek(SeekFrom::Start(pack.end))?;
    let mut bytes = Vec::new();
    for base in bases {
        if let Some(kind) = main.find(&base, &mut bytes)? {
            append(pack, file, &gix_object::Data::new(&bytes, kind, Hash::Sha1))?;
        }
    }
    if pack.entries.len() > first {
        seal(pack, file)?;
    }
    Ok((first..pack.entries.len()).map(|index| u32::try_from(index).expect("checked when it was appended")).collect())
}

fn append(pack: &mut Pack, mut file: &File, object: &gix_object::Data<'_>) -> Result<(), Error> {
    u32::try_from(pack.entries.len() + 1).map_err(|_| Flaw::Corrupt("too many objects".into()))?;
    let entry = input::Entry::from_data_obj(object, pack.end, gix_zlib::Compression::DEFAULT)
        .map_err(|error| std::io::Error::other(error.to_string()))?;
    let mut bytes = Vec::new();
    entry.header.write_to(entry.decompressed_size, &mut bytes)?;
    bytes.extend_from_slice(entry.compressed.as_deref().expect("an entry made from data has it"));
    file.write_all(&bytes)?;
    pack.entries.push(Entry { offset: pack.end, crc32: crc32fast::hash(&bytes), form: Form::Whole(object.kind) });
    pack.end += bytes.len() as u64;
    Ok(())
}

/// Writes the new count and checksum.
fn seal(pack: &mut Pack, mut file: &File) -> Result<(), Error> {
    let count = u32::try_from(pack.entries.len()).expect("checked when they were appended");
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&header::encode(gix_pack::data::Version::V2, count))?;
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = gix_hash::hasher(Hash::Sha1);
    let mut buffer = vec![0; 64 * 1024];
    let mut left = file.take(pack.end);
    loop {
        let count = left.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    pack.checksum = finalize(hasher)?;
    file.write_all(pack.checksum.as_slice())?;
    Ok(())
}
