//! The runs of a slug, as they are noted beside it: what each was made of, and where it stands.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use sha2::{Digest as _, Sha256};

use super::chunk::{COMPRESSOR, MAX_BYTES};
use crate::model::Digest;

/// Raised when runs are made in another way.
const FORMAT: &str = "runs 1";

/// What is noted of one run: two digests and its size.
const RUN_BYTES: usize = 32 + 32 + 4;

/// A chunk's compressed bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// Digest of all that it depends on.
    key: Digest,
    /// Digest of the run itself.
    digest: Digest,
    size_bytes: u32,
}

impl Run {
    pub(super) fn of(key: Digest, run: &[u8]) -> Self {
        let digest = Digest::from_bytes(Sha256::digest(run).into());
        Self { key, digest, size_bytes: u32::try_from(run.len()).expect("a run is small") }
    }
}

#[cfg(test)]
impl Run {
    pub(super) fn key(&self) -> Digest {
        self.key
    }
}

/// Writes down a slug's runs, in the order in which they stand there.
pub(super) fn encode(slug: &Digest, runs: &[Run]) -> Vec<u8> {
    let mut bytes = head();
    bytes.reserve_exact((runs.len() + 1) * RUN_BYTES);
    bytes.extend_from_slice(slug.as_bytes());
    for run in runs {
        bytes.extend_from_slice(run.key.as_bytes());
        bytes.extend_from_slice(run.digest.as_bytes());
        bytes.extend_from_slice(&run.size_bytes.to_le_bytes());
    }
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

/// Reads what [`encode`] wrote; `None` if it is damaged or another compressor's.
pub(super) fn decode(bytes: &[u8]) -> Option<(Digest, Vec<Run>)> {
    let (noted, digest) = bytes.split_last_chunk::<32>()?;
    let (slug, runs) = noted.strip_prefix(&*head())?.split_first_chunk::<32>()?;
    let (runs, []) = runs.as_chunks::<RUN_BYTES>() else { return None };
    if *digest != *Sha256::digest(noted) {
        return None;
    }
    Some((Digest::from_bytes(*slug), runs.iter().map(decode_run).collect()))
}

fn decode_run(bytes: &[u8; RUN_BYTES]) -> Run {
    let (key, rest) = bytes.split_first_chunk::<32>().expect("it is longer");
    let (digest, size_bytes) = rest.split_first_chunk::<32>().expect("it is longer");
    let size_bytes = u32::from_le_bytes(size_bytes.try_into().expect("four are left"));
    Run { key: Digest::from_bytes(*key), digest: Digest::from_bytes(*digest), size_bytes }
}

fn head() -> Vec<u8> {
    format!("{FORMAT}, {COMPRESSOR}\n").into_bytes()
}

/// A slug whose runs are known.
#[derive(Debug)]
pub(super) struct Earlier {
    slug: File,
    places: HashMap<Digest, Place>,
}

#[derive(Debug)]
struct Place {
    offset_bytes: u64,
    size_bytes: usize,
    digest: Digest,
}

impl Earlier {
    /// Takes a slug with its runs, of which the first begins at an offset.
    pub(super) fn new(slug: File, runs: &[Run], mut offset_bytes: u64) -> Self {
        let mut places = HashMap::with_capacity(runs.len());
        for run in runs {
            let size_bytes = run.size_bytes as usize;
            places.insert(run.key, Place { offset_bytes, size_bytes, digest: run.digest });
            offset_bytes += u64::from(run.size_bytes);
        }
        Self { slug, places }
    }

    /// Reads a run and tells whether it is there, whole and undamaged. Blocks.
    pub(super) fn take_over(&self, key: &Digest, run: &mut Vec<u8>) -> bool {
        // No run is much larger than its chunk, whatever the note says.
        let Some(place) = self.places.get(key).filter(|place| place.size_bytes <= 2 * MAX_BYTES) else { return false };
        run.resize(place.size_bytes, 0);
        self.slug.read_exact_at(run, place.offset_bytes).is_ok() && *place.digest.as_bytes() == *Sha256::digest(&*run)
    }
}

#[cfg(test)]
mod tests;
