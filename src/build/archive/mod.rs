//! A `.tar.gz` as a build's source: opened or fetched, checked whole, and only then unpacked into the environment.
//!
//! `survey` reads all of it once and refuses what does not belong in a source tree; `entry_path` is which paths and links
//! do. `export` reads it again and writes the tar that the environment gets. Twice, because where the app begins in the
//! archive and what `.slugignore` says stand anywhere in it. `pack` keeps a buildpack's.

mod entry_path;
mod export;
mod pack;
mod survey;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _};

use flate2::bufread::MultiGzDecoder;
use ignore::gitignore::Gitignore;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncSeekExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::task::spawn_blocking;
use tokio_util::io::SyncIoBridge;
use tokio_util::sync::CancellationToken;

use super::BuildError;
use super::source::{LeaveOut, Means, write_and_put};
use crate::engine::wide_pipe;
use crate::fetch::{self, FetchError, Question, Url};
use crate::model::{Checksum, Digest, SourceBlob, SourceRoot};
use crate::transcript::Transcript;
pub use pack::keep_pack_archive;
use survey::Survey;

const READ_BYTES: usize = 256 * 1024;
const WRITE_BYTES: usize = 64 * 1024;

/// An archive to be built.
#[derive(Debug, Clone)]
pub struct ArchiveSource {
    pub origin: Origin,
    pub blob: SourceBlob,
}

/// Where its bytes are.
#[derive(Debug, Clone)]
pub enum Origin {
    /// In the store: somebody has uploaded it.
    Stored(Digest),
    Url(Url),
}

/// What is wrong with an archive; for its author to mend.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("the source's checksum is {is}, not {expected}")]
    Checksum { is: Checksum, expected: Checksum },
    #[error("the source is not a .tar.gz archive: {0}")]
    NotAnArchive(String),
    #[error("{}: {why}", .path.escape_ascii())]
    BadEntry { path: Vec<u8>, why: &'static str },
    #[error("the source unpacks to more than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the source has more than {limit} files")]
    TooManyFiles { limit: u64 },
    #[error("the source is empty")]
    Empty,
    #[error("there is no folder {0}")]
    NoFolder(String),
}

/// Has `put` take the archive's tree as a tar; returns how many files were left out.
pub(super) async fn export_archive(
    source: &ArchiveSource,
    means: &Means<'_>,
    transcript: &Transcript,
    leave_out: LeaveOut,
    put: impl AsyncFnOnce(Receiver) -> Result<(), BuildError>,
) -> Result<u64, BuildError> {
    if let Origin::Url(url) = &source.origin {
        transcript.section(&format!("Fetching source from {}", url.host()));
    }
    let file = open(source, means).await?;
    // Ends the threads' work when the build is dropped.
    let unwanted = CancellationToken::new();
    let _ends_with_this = unwanted.clone().drop_guard();
    let (archive, mut survey) = survey(Archive { file, unwanted }, source.blob.checksum, means).await?;
    if leave_out == LeaveOut::Nothing {
        survey.ignore = Gitignore::empty();
    }
    let (writer, reader) = wide_pipe()?;
    let out = BufWriter::with_capacity(WRITE_BYTES, SyncIoBridge::new(writer));
    let export = spawn_blocking(move || archive.export(&survey, out));
    let (exported, put) = write_and_put(export, put(reader)).await;
    let exported = exported.map_err(|panicked| unreadable(io::Error::other(panicked)))?;
    if let Err(error @ BuildError::Archive(_)) = exported {
        return Err(error);
    }
    // A reader that takes no more breaks the pipe: its own reason comes first.
    put?;
    exported
}

/// Makes sure that the archive is in the store, so that everybody who reads it from then on reads the same bytes.
pub async fn keep_archive(source: ArchiveSource, means: &Means<'_>) -> Result<ArchiveSource, BuildError> {
    if let Origin::Stored(_) = source.origin {
        return Ok(source);
    }
    let mut file = tokio::fs::File::from_std(open(&source, means).await?);
    file.rewind().await.map_err(unreadable)?;
    let (digest, _) = means.store.put(file).await.map_err(unreadable)?;
    Ok(ArchiveSource { origin: Origin::Stored(digest), ..source })
}

/// What an app says of itself, as far as an archive has it; no more of each than is understood.
#[derive(Debug)]
pub struct ManifestFiles {
    pub app_json: Option<Vec<u8>>,
    pub heroku_yml: Option<Vec<u8>>,
}

/// Checks the whole archive as [`export_archive`] does, and reads the app's manifests.
pub async fn read_manifest_files(source: &ArchiveSource, means: &Means<'_>) -> Result<ManifestFiles, BuildError> {
    let unwanted = CancellationToken::new();
    let _ends_with_this = unwanted.clone().drop_guard();
    let archive = Archive { file: open(source, means).await?, unwanted };
    let (_, survey) = survey(archive, source.blob.checksum, means).await?;
    Ok(ManifestFiles { app_json: survey.app_json, heroku_yml: survey.heroku_yml })
}

async fn survey(archive: Archive, checksum: Option<Checksum>, means: &Means<'_>) -> Result<(Archive, Survey), BuildError> {
    let limits = Limits { bytes: means.bounds.max_bytes, files: means.max_files };
    let root = means.root.clone();
    let surveying = spawn_blocking(move || archive.survey(checksum, limits, root));
    surveying.await.map_err(|panicked| unreadable(io::Error::other(panicked)))?
}

async fn open(source: &ArchiveSource, means: &Means<'_>) -> Result<File, BuildError> {
    match &source.origin {
        Origin::Stored(digest) => Ok(means.store.open_blob(digest).await.map_err(unreadable)?.into_std().await),
        Origin::Url(url) => download(Question::get(url.clone()), means).await,
    }
}

async fn download(question: Question, means: &Means<'_>) -> Result<File, BuildError> {
    let file = means.store.scratch().map_err(unreadable)?;
    let copy = file.try_clone().map_err(unreadable)?;
    fetch::fetch(question, means.bounds.clone(), copy).await.map_err(|error| match error {
        FetchError::Keep(source) => unreadable(source),
        error => BuildError::Fetch(error),
    })?;
    Ok(file)
}

/// A failure of hoist's own disk.
fn unreadable(source: io::Error) -> BuildError {
    BuildError::Io { what: "the source can't be read", source }
}

/// Most of what an archive may hold.
#[derive(Debug, Clone, Copy)]
struct Limits {
    bytes: u64,
    files: u64,
}

/// An archive's file, for threads that may block.
struct Archive {
    file: File,
    unwanted: CancellationToken,
}

impl Archive {
    fn survey(
        mut self,
        checksum: Option<Checksum>,
        limits: Limits,
        root: Option<SourceRoot>,
    ) -> Result<(Self, Survey), BuildError> {
        if let Some(expected) = checksum {
            self.check(expected)?;
        }
        let tar = self.tar(limits)?;
        let survey = Survey::of(tar, limits, root)?;
        Ok((self, survey))
    }

    fn export(mut self, survey: &Survey, out: impl io::Write) -> Result<u64, BuildError> {
        let tar = self.tar(survey.limits())?;
        export::export(tar, survey, out)
    }

    fn check(&mut self, expected: Checksum) -> Result<(), BuildError> {
        let is = Checksum(self.digest()?);
        if is == expected { Ok(()) } else { Err(ArchiveError::Checksum { is, expected }.into()) }
    }

    fn digest(&mut self) -> Result<Digest, BuildError> {
        let mut hasher = Sha256::new();
        let mut piece = vec![0; READ_BYTES];
        let mut file = self.rewound()?;
        loop {
            match file.read(&mut piece).map_err(unreadable)? {
                0 => break,
                length => hasher.update(&piece[..length]),
            }
        }
        Ok(Digest::from_bytes(hasher.finalize().into()))
    }

    /// The archive's tar from its beginning, no longer than a tar of `limits` can be.
    fn tar(&mut self, limits: Limits) -> Result<impl io::BufRead + use<>, BuildError> {
        // A header, a long name and padding for each entry.
        let most = limits.bytes.saturating_add(limits.files.saturating_mul(4 * 1024)).saturating_add(1024 * 1024);
        let file = BufReader::with_capacity(READ_BYTES, self.rewound()?);
        Ok(BufReader::with_capacity(READ_BYTES, MultiGzDecoder::new(file)).take(most))
    }

    fn rewound(&mut self) -> Result<Stoppable, BuildError> {
        self.file.rewind().map_err(unreadable)?;
        let file = self.file.try_clone().map_err(unreadable)?;
        Ok(Stoppable { file, unwanted: self.unwanted.clone() })
    }
}

/// A file that can't be read any more once nobody wants it.
struct Stoppable {
    file: File,
    unwanted: CancellationToken,
}

impl Read for Stoppable {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.unwanted.is_cancelled() {
            return Err(io::Error::other("nobody waits for it any more"));
        }
        self.file.read(bytes)
    }
}

/// Tells a broken archive from a broken disk.
fn read_error(error: io::Error) -> BuildError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => ArchiveError::NotAnArchive(error.to_string()).into(),
        io::ErrorKind::UnexpectedEof => ArchiveError::NotAnArchive("it ends in the middle".into()).into(),
        // The decoder's and the tar crate's own.
        io::ErrorKind::Other if error.raw_os_error().is_none() => ArchiveError::NotAnArchive(error.to_string()).into(),
        _ => unreadable(error),
    }
}

#[cfg(test)]
mod tests;
