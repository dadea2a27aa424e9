//! A buildpack that is an archive on another server.

use std::io;

use ignore::gitignore::Gitignore;
use tokio::task::spawn_blocking;
use tokio_util::io::SyncIoBridge;
use tokio_util::sync::CancellationToken;

use super::super::source::{Means, PIPE_BYTES};
use super::{Archive, BuildError, download, survey, unreadable};
use crate::build::remote::basic;
use crate::fetch::{BadUrl, FetchError, Question, Url};
use crate::model::{ArchiveUrl, Digest, RemoteUrl};

/// Fetches an archive, checks it as a source's and keeps its files as a tar; returns the digests of both. The app's credentials for
/// that place are shown.
pub async fn keep_pack_archive(url: &ArchiveUrl, means: &Means<'_>) -> Result<(Digest, Digest), BuildError> {
    let malformed = |error: BadUrl| BuildError::Fetch(FetchError::Failed(error.to_string()));
    let remote = url.shown().parse::<RemoteUrl>().ok().and_then(|url| means.submodules.remote(&url).ok());
    let authorization = remote.as_ref().and_then(basic);
    let question = Question { authorization, ..Question::get(url.as_str().parse::<Url>().map_err(malformed)?) };
    let unwanted = CancellationToken::new();
    let _ends_with_this = unwanted.clone().drop_guard();
    let mut archive = Archive { file: download(question, means).await?, unwanted };
    let (archive, digest) = blocking(move || archive.digest().map(|digest| (archive, digest))).await?;
    let (archive, mut survey) = survey(archive, None, means).await?;
    survey.ignore = Gitignore::empty();
    let (writer, reader) = tokio::io::duplex(PIPE_BYTES);
    let export = blocking(move || archive.export(&survey, SyncIoBridge::new(writer)));
    let (exported, stored) = tokio::join!(export, means.store.put(reader));
    exported?;
    Ok((digest, stored.map_err(unreadable)?.0))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, BuildError> + Send + 'static) -> Result<T, BuildError> {
    spawn_blocking(work).await.map_err(|panicked| unreadable(io::Error::other(panicked)))?
}
