//! Fetches a part of an image to a file, checked as it comes.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};

use sha2::{Digest as _, Sha256};

use super::client::is_of_the_line;
use super::{Client, RegistryError};
use crate::model::{Descriptor, Digest};

const PIECE_BYTES: usize = 256 * 1024;
/// How often a line that breaks is taken up again without anything having come of it.
const ATTEMPTS: u32 = 4;

/// What has been fetched so far.
struct Fetched<'a> {
    file: &'a mut File,
    hash: Sha256,
    bytes: u64,
}

/// Fetches what `part` names to the end of `file`, which is empty. Where the line breaks, it goes on from there. `on_bytes` is
/// told how much is there, and ends it by returning false.
pub(in crate::stack) fn fetch_blob(
    client: &mut Client,
    part: &Descriptor,
    file: &mut File,
    mut on_bytes: impl FnMut(u64) -> bool,
) -> Result<(), RegistryError> {
    let mut fetched = Fetched { file, hash: Sha256::new(), bytes: 0 };
    let mut left = ATTEMPTS;
    while fetched.bytes < part.size_bytes {
        let before = fetched.bytes;
        match fetch_rest(client, part, &mut fetched, &mut on_bytes) {
            Ok(()) => {}
            Err(RegistryError::Fetch { error, .. }) if is_of_the_line(&error) && left > 1 => {}
            Err(error) => return Err(error),
        }
        left = if fetched.bytes > before { ATTEMPTS } else { left - 1 };
        if left == 0 {
            return Err(length(client, part, fetched.bytes));
        }
    }
    let found = Digest::from_bytes(fetched.hash.finalize().into());
    if found != part.digest {
        return Err(RegistryError::Digest { registry: client.place.registry.clone(), expected: part.digest, found });
    }
    Ok(())
}

fn fetch_rest(
    client: &mut Client,
    part: &Descriptor,
    fetched: &mut Fetched<'_>,
    on_bytes: &mut impl FnMut(u64) -> bool,
) -> Result<(), RegistryError> {
    let range = (fetched.bytes > 0).then(|| ("range", format!("bytes={}-", fetched.bytes)));
    let mut reply = client.get(&format!("blobs/{}", part.digest), range.as_slice())?;
    if reply.status != 206 {
        fetched.restart().map_err(RegistryError::Keep)?;
    } else if !begins_at(reply.headers.get("content-range"), fetched.bytes) {
        return Err(RegistryError::unfit("the registry has sent another range of a layer than was asked for"));
    }
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = match reply.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(client.failed(reply.explain(error))),
        };
        let bytes = fetched.bytes + read as u64;
        if bytes > part.size_bytes {
            return Err(length(client, part, bytes));
        }
        fetched.take(&piece[..read]).map_err(RegistryError::Keep)?;
        if !on_bytes(fetched.bytes) {
            return Err(RegistryError::Unwanted);
        }
    }
}

impl Fetched<'_> {
    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece)?;
        self.hash.update(piece);
        self.bytes += piece.len() as u64;
        Ok(())
    }

    /// For a registry that knows no ranges, and begins anew.
    fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        (self.hash, self.bytes) = (Sha256::new(), 0);
        Ok(())
    }
}

/// `bytes 100-199/200`
fn begins_at(header: Option<&ureq::http::HeaderValue>, offset: u64) -> bool {
    let range = header.and_then(|header| header.to_str().ok()).and_then(|text| text.strip_prefix("bytes "));
    range.and_then(|range| range.split_once('-')).is_some_and(|(first, _)| first.parse() == Ok(offset))
}

fn length(client: &Client, part: &Descriptor, sent: u64) -> RegistryError {
    RegistryError::Length { registry: client.place.registry.clone(), part: part.digest, sent, expected: part.size_bytes }
}
