//! The image of a root file system, with hoist's programs in it.

use std::fs::File;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use super::{Containers, failed, program};
use crate::docker::{ImageName, Label};
use crate::engine::EngineError;
use crate::engine::transfer::{TarStream, wide_pipe, with_verdict};

/// Of which root an image is made: a folder of this host.
pub(super) const ROOT_LABEL: &str = "hoist.root";

impl Containers {
    /// The name of a root's image. Roots never change, so it is made of the folder's name, which holds their digest.
    pub(super) fn image_name(&self, root: &Path) -> ImageName {
        let mut hash = Sha256::new();
        hash.update(root.as_os_str().as_encoded_bytes());
        hash.update(self.program.version());
        self.docker.root_name(&hex::encode(&hash.finalize()[..16]))
    }

    /// Gives the name of a root's image, which is made if there is none.
    pub(super) async fn image_of(&self, root: &Path) -> Result<ImageName, EngineError> {
        let name = self.image_name(root);
        let make = async {
            if self.docker.has_image(&name).await.map_err(failed("cannot ask for a stack's image"))? {
                return Ok(());
            }
            tracing::info!("making a Docker image of {}", root.display());
            let labels = [self.owner(), Label::new(ROOT_LABEL, root.display().to_string())];
            let tar = self.programs_tar()?.chain(self.roots.pack_root(root, u64::MAX)?);
            self.docker.import(&name, &labels, tar).await.map_err(failed("cannot make a Docker image of a root file system"))
        };
        self.make_once(&name.to_string(), make).await?;
        Ok(name)
    }

    /// The beginning of a tar, with what hoist brings along.
    fn programs_tar(&self) -> Result<TarStream, EngineError> {
        let (sender, receiver) = wide_pipe()?;
        let pipe = sender.into_blocking_fd().map_err(|error| EngineError::io("cannot prepare a pipe", error))?;
        let files = self.program.files();
        let writer = tokio::task::spawn_blocking(move || program::write_tar(&files, File::from(pipe)));
        Ok(with_verdict(receiver, async { writer.await? }))
    }
}
