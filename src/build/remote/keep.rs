//! A commit as an archive in the store, for everything that builds more than once from the same source.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::EntryType;
use tokio::io::DuplexStream;
use tokio::net::unix::pipe::Receiver;
use tokio::task::spawn_blocking;
use tokio_util::io::SyncIoBridge;

use super::super::archive::{ArchiveSource, Origin};
use super::super::source::{LeaveOut, Means, PIPE_BYTES};
use super::super::tar_header::header;
use super::{BuildError, RemoteSource, export_fetched, fetch};
use crate::model::SourceBlob;

/// Fetches a commit with everything that belongs to it, and keeps it as an archive.
pub async fn keep_remote(source: &RemoteSource, means: &Means<'_>) -> Result<ArchiveSource, BuildError> {
    let fetched = fetch(source, means, &|_| ()).await?;
    let mut digest = None;
    let keep = async |tar: Receiver| {
        let (writer, reader) = tokio::io::duplex(PIPE_BYTES);
        let zipping = spawn_blocking(move || zip(SyncIoBridge::new(tar), SyncIoBridge::new(writer)));
        let (zipped, stored) = tokio::join!(zipping, means.store.put(reader));
        zipped.map_err(|panicked| unkept(io::Error::other(panicked)))?.map_err(unkept)?;
        digest = Some(stored.map_err(unkept)?.0);
        Ok(())
    };
    export_fetched(&fetched, &source.commit.id, means, LeaveOut::Nothing, keep).await?;
    let digest = digest.ok_or_else(|| unkept(io::ErrorKind::UnexpectedEof.into()))?;
    let blob = SourceBlob {
        url: source.commit.remote.url.to_string(),
        checksum: None,
        version: source.commit.id.as_str().parse().ok(),
        version_description: None,
    };
    Ok(ArchiveSource { origin: Origin::Stored(digest), blob })
}

fn zip(mut tar: impl io::Read, out: SyncIoBridge<DuplexStream>) -> io::Result<()> {
    let mut zip = GzEncoder::new(out, Compression::fast());
    // An archive that names its own folder begins there: no folder of the app's is taken for a wrapping.
    let mut root = header(EntryType::Directory, 0o755, 0);
    root.as_old_mut().name[..2].copy_from_slice(b"./");
    root.set_cksum();
    zip.write_all(root.as_bytes())?;
    io::copy(&mut tar, &mut zip)?;
    zip.finish()?.shutdown()
}

fn unkept(source: io::Error) -> BuildError {
    BuildError::Io { what: "the source can't be kept", source }
}
