//! Brings the files that Git LFS keeps: asks the repository's LFS server where each is (`batch`), downloads it and checks
//! its digest. `access` says where that server is, and what it is shown.
//! Source: <https://github.com/git-lfs/git-lfs/tree/main/docs/api>.

mod access;
mod batch;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write as _};

use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::error::LfsError;
use super::way::check_status;
use super::{RemoteError, Tell};
use crate::fetch::{self, Asker, Question, Url, Verb};
use crate::git::Fetched;
use crate::model::{Digest, LfsObject, RemoteCommit, Secret};
use crate::transcript::size;
use access::Access;
use batch::Link;

/// Most files of one repository.
const MAX_FILES: usize = 10_000;
/// Files that are asked for at once, as Git LFS does.
const BATCH: usize = 100;
const PIECE_BYTES: usize = 256 * 1024;

/// What a commit wants.
pub(super) struct Wanted {
    pub objects: BTreeSet<LfsObject>,
    /// What its `.lfsconfig` says of where that is.
    pub url: Option<String>,
}

/// Downloads what is not there yet. All files of the commit and its submodules together may be as large as the bounds say.
pub(super) async fn fetch(
    fetched: &mut Fetched,
    commit: &RemoteCommit,
    wanted: Wanted,
    bounds: &fetch::Bounds,
    tell: &Tell<'_>,
) -> Result<(), RemoteError> {
    let Wanted { objects, url } = wanted;
    let wanted: Vec<_> = objects.into_iter().filter(|object| !fetched.has_lfs(object)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    if wanted.len() > MAX_FILES {
        return Err(LfsError::TooMany { limit: MAX_FILES }.into());
    }
    let bytes = wanted.iter().fold(0_u64, |sum, object| sum.saturating_add(object.size_bytes));
    if bytes.saturating_add(fetched.lfs_bytes()) > bounds.max_bytes {
        return Err(LfsError::TooLarge { limit: bounds.max_bytes }.into());
    }
    tell(&format!("Git LFS: {} files of {}", wanted.len(), size(bytes)));
    let access = access::find(commit, url.as_deref(), bounds).await?;
    let asker = Asker::new(bounds);
    // Ends a thread's work when the build is dropped.
    let unwanted = CancellationToken::new();
    let _ends_with_this = unwanted.clone().drop_guard();
    for some in wanted.chunks(BATCH) {
        let files = some.iter().map(|object| Ok((*object, fetched.lfs_file(object)?))).collect::<io::Result<Vec<_>>>()?;
        let worker = Worker { asker: asker.clone(), access: access.clone(), unwanted: unwanted.clone() };
        let working = spawn_blocking(move || worker.bring(files));
        working.await.unwrap_or_else(|panicked| Err(RemoteError::Keep(io::Error::other(panicked))))?;
        fetched.add_lfs(some);
    }
    Ok(())
}

/// What a thread needs to bring some files.
struct Worker {
    asker: Asker,
    access: Access,
    unwanted: CancellationToken,
}

impl Worker {
    fn bring(&self, files: Vec<(LfsObject, File)>) -> Result<(), RemoteError> {
        let objects: Vec<_> = files.iter().map(|(object, _)| *object).collect();
        let mut links = batch::ask(&self.asker, &self.access, &objects)?;
        for (object, file) in files {
            let link = links.remove(&object.digest.hex()).ok_or_else(|| missing(&object, "it does not say where it is"))?;
            self.download(&object, link?, file)?;
        }
        Ok(())
    }

    fn download(&self, object: &LfsObject, link: Link, mut file: File) -> Result<(), RemoteError> {
        let url: Url = link.href.parse()?;
        let authorization = self.authorization_for(&url, &link).cloned();
        let mut answer = self.asker.begin(&Question { url, verb: Verb::Get, headers: link.headers, authorization })?;
        check_status(answer.status).map_err(|error| missing(object, &error.to_string()))?;
        let (mut hasher, mut piece, mut left) = (Sha256::new(), vec![0; PIECE_BYTES], object.size_bytes);
        loop {
            let count = match answer.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(answer.explain(error).into()),
            };
            if self.unwanted.is_cancelled() {
                return Err(RemoteError::TooSlow);
            }
            left = left.checked_sub(count as u64).ok_or_else(|| other(object))?;
            hasher.update(&piece[..count]);
            file.write_all(&piece[..count])?;
        }
        let is_it = left == 0 && Digest::from_bytes(hasher.finalize().into()) == object.digest;
        is_it.then_some(()).ok_or_else(|| other(object))
    }

    /// The LFS server's own credentials, for files that it hands out itself without saying how.
    fn authorization_for(&self, url: &Url, link: &Link) -> Option<&Secret> {
        let says_how = link.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        self.access.authorization.as_ref().filter(|_| !says_how && url.is_same_server(&self.access.server))
    }
}

fn missing(object: &LfsObject, why: &str) -> RemoteError {
    LfsError::Missing { oid: object.digest.hex(), why: why.to_owned() }.into()
}

fn other(object: &LfsObject) -> RemoteError {
    LfsError::Other { oid: object.digest.hex() }.into()
}
