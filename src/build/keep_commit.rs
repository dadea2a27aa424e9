//! Another server's commit as an archive in the store: for whoever reads its files before they are built.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::EntryType;
use tokio::io::DuplexStream;
use tokio::task::spawn_blocking;
use tokio_util::io::SyncIoBridge;

use super::BuildError;
use super::archive::{ArchiveSource, Origin};
use super::remote::RemoteSource;
use super::source::{LeaveOut, Means, PIPE_BYTES, Source, export_source};
use super::tar_header::header;
use crate::model::{Digest, SourceBlob};
use crate::transcript::Transcript;

/// Fetches a commit and keeps its tree, with all of its files.
pub async fn keep_commit(source: RemoteSource, means: &Means<'_>, transcript: &Transcript) -> Result<ArchiveSource, BuildError> {
    let (url, commit) = (source.commit.remote.url.to_string(), source.commit.id.clone());
    let mut kept = None;
    let keep = async |tar| {
        kept = Some(pack(tar, means).await?);
        Ok(())
    };
    export_source(&Source::Remote(source), means, transcript, LeaveOut::Nothing, keep).await?;
    let digest = kept.expect("what is exported is kept");
    let version = commit.as_str().parse().ok();
    let blob = SourceBlob { url, checksum: None, version, version_description: None };
    Ok(ArchiveSource { origin: Origin::Stored(digest), blob })
}

async fn pack(tar: DuplexStream, means: &Means<'_>) -> Result<Digest, BuildError> {
    let (writer, reader) = tokio::io::duplex(PIPE_BYTES);
    let packing = spawn_blocking(move || {
        let mut gzip = GzEncoder::new(SyncIoBridge::new(writer), Compression::fast());
        // Its own folder first: hoist then takes the app to begin there, even if all of it is in one folder.
        let mut folder = header(EntryType::Directory, 0o755, 0);
        folder.set_path("./")?;
        folder.set_cksum();
        gzip.write_all(folder.as_bytes())?;
        io::copy(&mut SyncIoBridge::new(tar), &mut gzip)?;
        gzip.finish()?.shutdown()
    });
    let (packed, stored) = tokio::join!(packing, means.store.put(reader));
    let kept = |source| BuildError::Io { what: "the commit's files can't be kept", source };
    packed.map_err(|panicked| kept(io::Error::other(panicked)))?.map_err(kept)?;
    Ok(stored.map_err(kept)?.0)
}
