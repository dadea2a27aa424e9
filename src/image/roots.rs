//! The root file systems of images, each unpacked once and kept while it is used now and then.
//!
//! ```text
//! DIR/<image id>/root    an image's files, never changed; the folder's time is when it was last used
//!     incoming-<random>  one that is being made or removed; swept at start
//! ```
//!
//! The name is the digest of the image's config, which names each layer by its digest: who unpacks an image under a name,
//! whichever app it is for, unpacks the same files.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::read::{Image, UnusableImage};
use super::unpack::unpack;
use crate::engine::{Engine, make_yard};
use crate::model::{Digest, Limits};
use crate::store::Store;

/// How long unpacking one image may take.
const UNPACK_TIME: Duration = Duration::from_mins(15);

const INCOMING: &str = "incoming-";

/// The unpacked images of an installation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Roots(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    engine: Engine,
    store: Store,
    limits: Limits,
    /// How many environments use which.
    used: Mutex<HashMap<Digest, usize>>,
}

/// An unpacked image that stays as long as this is held.
#[derive(Debug)]
pub struct Root {
    roots: Roots,
    id: Digest,
}

impl Roots {
    /// Opens the folder, and removes what was being made or removed when an earlier daemon ended.
    pub async fn open(dir: PathBuf, engine: Engine, store: Store, limits: &Limits) -> Result<Self, UnusableImage> {
        make_yard(&dir).map_err(failed)?;
        let roots = Self(Arc::new(Shared { dir, engine, store, limits: limits.clone(), used: Mutex::default() }));
        for entry in fs::read_dir(&roots.0.dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name().to_string_lossy().starts_with(INCOMING) {
                roots.remove(&entry.path()).await?;
            }
        }
        Ok(roots)
    }

    /// Gives the root of an image, unpacking it if nobody has: in a task that goes on to its end when this is dropped, unless
    /// it is `stopped`.
    pub async fn get(&self, image: Image, tasks: &TaskTracker, stopped: CancellationToken) -> Result<Root, UnusableImage> {
        let root = self.hold(image.id);
        if self.touch(&root.id) {
            return Ok(root);
        }
        let roots = self.clone();
        let making = tasks.spawn(async move {
            let incoming = roots.incoming();
            let made = tokio::select! {
                made = tokio::time::timeout(UNPACK_TIME, roots.make(&image, &incoming)) => made,
                () = stopped.cancelled() => Ok(Err(failed(io::ErrorKind::Interrupted.into()))),
            };
            if !matches!(made, Ok(Ok(()))) {
                roots.remove_or_say(&incoming).await;
            }
            made.unwrap_or_else(|_late| Err(UnusableImage::unfit(format!("unpacking it takes longer than {UNPACK_TIME:?}"))))?;
            roots.drop_unused().await;
            Ok::<_, UnusableImage>(root)
        });
        making.await.map_err(|error| failed(error.into()))?
    }

    async fn make(&self, image: &Image, incoming: &Path) -> Result<(), UnusableImage> {
        let Shared { engine, store, limits, .. } = &*self.0;
        fs::create_dir(incoming).map_err(failed)?;
        unpack(engine, store, image, &incoming.join("root"), limits).await?;
        let (incoming, dest) = (incoming.to_owned(), self.dir_of(&image.id));
        let (from, to) = (incoming.clone(), dest.clone());
        let place = move || -> io::Result<()> {
            // Tens of thousands of files: one sync of the whole file system is far cheaper than one each.
            rustix::fs::syncfs(File::open(&from)?)?;
            fs::rename(&from, &to)
        };
        match tokio::task::spawn_blocking(place).await.map_err(|error| failed(error.into()))? {
            // Somebody else was faster, with the same files.
            Err(_) if dest.is_dir() => self.remove(&incoming).await,
            placed => placed.map_err(failed),
        }
    }

    /// Removes the roots that were not used for the longest time until the others fit, but none that is used.
    async fn drop_unused(&self) {
        let most = self.0.limits.unpacked_images;
        match self.oldest_first() {
            Ok(all) => {
                for (_, id) in all.iter().take(all.len().saturating_sub(most)) {
                    let incoming = self.incoming();
                    // Out of its place at once: nobody may find a half of it there.
                    let is_out = { !self.used().contains_key(id) && fs::rename(self.dir_of(id), &incoming).is_ok() };
                    if is_out {
                        self.remove_or_say(&incoming).await;
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the unpacked images can't be listed"),
        }
    }

    fn oldest_first(&self) -> io::Result<Vec<(SystemTime, Digest)>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.0.dir)? {
            let entry = entry?;
            if let Ok(id) = format!("sha256:{}", entry.file_name().to_string_lossy()).parse() {
                all.push((entry.metadata()?.modified()?, id));
            }
        }
        all.sort_unstable();
        Ok(all)
    }

    /// Notes that a root is used now, and tells whether it is there.
    fn touch(&self, id: &Digest) -> bool {
        let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        let now = rustix::fs::Timestamps { last_access: now, last_modification: now };
        rustix::fs::utimensat(rustix::fs::CWD, self.dir_of(id), &now, rustix::fs::AtFlags::empty()).is_ok()
    }

    fn hold(&self, id: Digest) -> Root {
        *self.used().entry(id).or_default() += 1;
        Root { roots: self.clone(), id }
    }

    // Held for a look-up and a rename only, never across an await.
    fn used(&self) -> MutexGuard<'_, HashMap<Digest, usize>> {
        self.0.used.lock().expect("no holder panics")
    }

    fn dir_of(&self, id: &Digest) -> PathBuf {
        self.0.dir.join(id.hex())
    }

    fn incoming(&self) -> PathBuf {
        self.0.dir.join(format!("{INCOMING}{}", Uuid::new_v4()))
    }

    async fn remove(&self, incoming: &Path) -> Result<(), UnusableImage> {
        let root = incoming.join("root");
        if root.exists() {
            self.0.engine.remove_root(&root).await.map_err(UnusableImage::Engine)?;
        }
        match fs::remove_dir(incoming) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    }

    async fn remove_or_say(&self, incoming: &Path) {
        if let Err(error) = self.remove(incoming).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "an unpacked image can't be removed; the next start does it");
        }
    }
}

impl Root {
    /// Where the files are.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.roots.dir_of(&self.id).join("root")
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let mut used = self.roots.used();
        if let Some(count) = used.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                used.remove(&self.id);
            }
        }
    }
}

fn failed(source: io::Error) -> UnusableImage {
    UnusableImage::Io { what: "the unpacked images can't be kept", source }
}
