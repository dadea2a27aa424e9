//! The root file systems of images, each unpacked once and kept while it is used now and then: a shelf of them, by the digest
//! of the image's config.
//!
//! That names each layer by its digest: who unpacks an image under a name, whichever app it is for, unpacks the same files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::read::{Image, UnusableImage};
use super::unpack::unpack;
use crate::engine::{Engine, Kept, Shelf, flush};
use crate::model::Limits;
use crate::store::Store;

/// How long unpacking one image may take.
const UNPACK_TIME: Duration = Duration::from_mins(15);

/// The unpacked images of an installation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Roots(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    shelf: Shelf,
    engine: Engine,
    store: Store,
    limits: Limits,
}

/// An unpacked image that stays as long as this is held.
#[derive(Debug)]
pub struct Root(Kept);

impl Roots {
    /// Opens the folder, and removes what was being made or removed when an earlier daemon ended.
    pub async fn open(dir: PathBuf, engine: Engine, store: Store, limits: &Limits) -> Result<Self, UnusableImage> {
        let shelf = Shelf::open(dir, engine.clone()).await?;
        Ok(Self(Arc::new(Shared { shelf, engine, store, limits: limits.clone() })))
    }

    /// Gives the root of an image, unpacking it if nobody has: in a task that goes on to its end when this is dropped, unless
    /// it is `stopped`.
    pub async fn get(&self, image: Image, tasks: &TaskTracker, stopped: CancellationToken) -> Result<Root, UnusableImage> {
        let root = Root(self.0.shelf.hold(&image.id.hex()));
        if root.0.is_there() {
            return Ok(root);
        }
        let roots = self.clone();
        let making = tasks.spawn(async move {
            let Shared { shelf, engine, store, limits } = &*roots.0;
            let unpack = async |incoming: &Path| {
                let files = incoming.join("files");
                tokio::select! {
                    unpacked = tokio::time::timeout(UNPACK_TIME, unpack(engine, store, &image, &files, limits)) => {
                        unpacked.map_err(|_| UnusableImage::unfit(format!("unpacking it takes longer than {UNPACK_TIME:?}")))??;
                    }
                    () = stopped.cancelled() => return Err(io::Error::from(io::ErrorKind::Interrupted).into()),
                }
                Ok::<_, UnusableImage>(flush(incoming).await?)
            };
            shelf.fill(&image.id.hex(), unpack).await?;
            roots.drop_unused().await;
            Ok::<_, UnusableImage>(root)
        });
        making.await.map_err(io::Error::from)?
    }

    /// Removes the roots that were not used for the longest time until the others fit, but none that is used.
    async fn drop_unused(&self) {
        match self.0.shelf.newest_first() {
            Ok(all) => {
                for name in all.iter().skip(self.0.limits.unpacked_images).rev() {
                    self.0.shelf.drop_folder(name).await;
                }
            }
            Err(error) => tracing::warn!(%error, "the unpacked images can't be listed"),
        }
    }
}

impl Root {
    /// Where the files are.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.0.files()
    }
}
