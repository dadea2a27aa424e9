//! A blob on its way into the store.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::Store;
use crate::model::Digest;

/// Takes a blob's bytes and puts them at their place when [finished](Writer::finish). Dropped before, it leaves nothing.
///
/// Each write goes to the file as it comes: write in large pieces.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    file: NamedTempFile,
    hasher: Sha256,
    size_bytes: u64,
}

impl Writer {
    pub(super) fn new(store: Store) -> io::Result<Self> {
        let read_only = std::fs::Permissions::from_mode(0o444);
        let file = tempfile::Builder::new().permissions(read_only).tempfile_in(store.tmp())?;
        Ok(Self { store, file, hasher: Sha256::new(), size_bytes: 0 })
    }

    /// The digest of what has been written so far.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(self.hasher.clone().finalize().into())
    }

    /// Makes the blob durable under its digest and returns that and its size in bytes. A blob that is there already
    /// stays, as if it had been written now, and this copy is dropped.
    pub fn finish(self) -> io::Result<(Digest, u64)> {
        self.place(false)
    }

    /// As [`finish`](Writer::finish), but in the place of a blob that is there, and is known to be damaged.
    pub fn replace(self) -> io::Result<(Digest, u64)> {
        self.place(true)
    }

    fn place(self, anew: bool) -> io::Result<(Digest, u64)> {
        let digest = Digest::from_bytes(self.hasher.finalize().into());
        let (file, path) = self.file.into_parts();
        self.store.place(&digest, &file, anew, |place| path.persist(place).map_err(|failed| failed.error))?;
        Ok((digest, self.size_bytes))
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size_bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
