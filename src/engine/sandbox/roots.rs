//! The root file systems that environments start from: unpacked, packed and removed by a helper in a user namespace, since
//! they belong to users who are nobody on the host.

use std::io::ErrorKind;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncRead;

use super::helper::Helper;
use super::protocol::Job;
use super::user::Mapping;
use crate::engine::EngineError;
use crate::engine::transfer::{TarStream, copy_into, wide_pipe, with_verdict};

/// How long unpacking or removing a root file system may take once its bytes are there.
const FILES_TIMEOUT: Duration = Duration::from_mins(15);

/// The executable that helpers are started from, and whom they stand for.
#[derive(Debug)]
pub(in crate::engine) struct Roots {
    pub(super) helper: PathBuf,
    pub(super) mapping: Mapping,
}

impl Roots {
    /// Checks that helpers can be started here.
    pub(in crate::engine) fn open(helper: PathBuf) -> Result<Self, EngineError> {
        let roots = Self { helper, mapping: Mapping::find()? };
        Helper::start(&roots, "probe", &Job::Probe, &[])?.finish(FILES_TIMEOUT)?;
        Ok(roots)
    }

    pub(in crate::engine) async fn unpack_root(
        self: &Arc<Self>,
        tar: impl AsyncRead + Send + Unpin,
        dest: &Path,
    ) -> Result<(), EngineError> {
        self.unpack_by(tar, dest, |dest| Job::Unpack { dest }).await
    }

    pub(in crate::engine) async fn unpack_layer(
        self: &Arc<Self>,
        tar: impl AsyncRead + Send + Unpin,
        dest: &Path,
        at: &str,
    ) -> Result<(), EngineError> {
        let at = PathBuf::from(at);
        self.unpack_by(tar, dest, |dest| Job::UnpackLayer { dest, at }).await
    }

    pub(in crate::engine) async fn unpack_for_one(
        self: &Arc<Self>,
        tar: impl AsyncRead + Send + Unpin,
        dest: &Path,
        at: &str,
    ) -> Result<(), EngineError> {
        let at = PathBuf::from(at);
        self.unpack_by(tar, dest, |dest| Job::UnpackForOne { dest, at }).await
    }

    pub(in crate::engine) async fn unpack_layers(
        self: &Arc<Self>,
        tars: impl AsyncRead + Send + Unpin,
        dest: &Path,
        max_entries: u64,
    ) -> Result<(), EngineError> {
        self.unpack_by(tars, dest, move |dest| Job::UnpackLayers { dest, max_entries }).await
    }

    /// Has a helper unpack `tar` into a folder, made if missing.
    async fn unpack_by(
        self: &Arc<Self>,
        tar: impl AsyncRead + Send + Unpin,
        dest: &Path,
        job: impl FnOnce(PathBuf) -> Job + Send + 'static,
    ) -> Result<(), EngineError> {
        let (sender, receiver) = wide_pipe()?;
        let pipe = receiver.into_blocking_fd().map_err(|error| EngineError::io("cannot prepare a pipe", error))?;
        let (roots, dest) = (Arc::clone(self), dest.to_owned());
        let unpacking = tokio::task::spawn_blocking(move || {
            let made = match std::fs::create_dir(&dest) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => dest.canonicalize(),
                made => made.and_then(|()| dest.canonicalize()),
            };
            let dest = made.map_err(|error| EngineError::io(format!("cannot make {}", dest.display()), error))?;
            roots.mapping.give_away(&dest)?;
            let helper = Helper::start(&roots, "unpack", &job(dest), &[pipe.as_fd()])?;
            // Only the helper's end is left, so that copying fails when the helper does.
            drop(pipe);
            helper.finish(FILES_TIMEOUT)
        });
        let copied = copy_into(tar, sender).await;
        // The helper's failure comes first: it is why copying failed too.
        unpacking.await.map_err(|error| EngineError::io("unpacking was abandoned", error))??;
        copied.map_err(|error| EngineError::io("cannot read the root file system's tar", error))
    }

    pub(in crate::engine) fn pack_root(self: &Arc<Self>, root: &Path, latest_secs: u64) -> Result<TarStream, EngineError> {
        let (sender, receiver) = wide_pipe()?;
        let pipe = sender.into_blocking_fd().map_err(|error| EngineError::io("cannot prepare a pipe", error))?;
        let (roots, root) = (Arc::clone(self), root.to_owned());
        let packing = tokio::task::spawn_blocking(move || {
            let root = root.canonicalize().map_err(|error| EngineError::io(format!("cannot find {}", root.display()), error))?;
            let helper = Helper::start(&roots, "pack", &Job::Pack { root, latest_secs }, &[pipe.as_fd()])?;
            // Only the helper's end is left, so that reading ends when the helper does.
            drop(pipe);
            helper.finish(FILES_TIMEOUT)
        });
        Ok(with_verdict(receiver, async { packing.await?.map_err(std::io::Error::other) }))
    }

    pub(in crate::engine) async fn remove_root(self: &Arc<Self>, dest: &Path) -> Result<(), EngineError> {
        let (roots, dest) = (Arc::clone(self), dest.to_owned());
        tokio::task::spawn_blocking(move || roots.remove_folder(&dest))
            .await
            .map_err(|error| EngineError::io("removing was abandoned", error))?
    }

    /// Removes a folder whose contents belong to the sandbox's users. The helper of an environment that is just
    /// ending may be at it too: what counts is that the folder is gone.
    pub(super) fn remove_folder(&self, folder: &Path) -> Result<(), EngineError> {
        match std::fs::remove_dir(folder) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                let cannot = |error| EngineError::io(format!("cannot remove {}", folder.display()), error);
                return std::fs::remove_file(folder).map_err(cannot);
            }
            removed => return gone(folder, removed),
        }
        let emptied = self.empty_folder(folder);
        match std::fs::remove_dir(folder) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => emptied.and(gone(folder, Err(error))),
            removed => gone(folder, removed),
        }
    }

    fn empty_folder(&self, folder: &Path) -> Result<(), EngineError> {
        let cannot = |error| EngineError::io(format!("cannot find {}", folder.display()), error);
        let dir = folder.canonicalize().map_err(cannot)?;
        Helper::start(self, "remove", &Job::Remove { dir }, &[])?.finish(FILES_TIMEOUT)
    }
}

/// Whether removing a folder left none, no matter who did it.
fn gone(folder: &Path, removed: std::io::Result<()>) -> Result<(), EngineError> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(EngineError::io(format!("cannot remove {}", folder.display()), error))
        }
        _ => Ok(()),
    }
}
