//! A buildpack whose files are at hand.

use sha2::{Digest as _, Sha256};
use tokio::fs::File;

use super::script::Pack;
use super::{Build, BuildError, PACKS_DIR, builtin};
use crate::engine::Exit;
use crate::model::{BuildpackPlace, BuildpackRef, BuildpackVersion, Digest, UsedBuildpack};

/// A buildpack that a build can be made with.
#[derive(Debug)]
pub struct FoundPack {
    pub(super) buildpack: BuildpackRef,
    pub(super) version: Option<BuildpackVersion>,
    files: Files,
}

#[derive(Debug)]
enum Files {
    /// A tar.
    Carried(Vec<u8>),
    /// A path in the app.
    InApp(String),
    /// A tar in the store, opened so that nobody can take it away any more.
    Kept(File),
}

impl FoundPack {
    /// A pack that comes with hoist, by whichever name; `None` when there is no such pack.
    #[must_use]
    pub fn builtin(buildpack: BuildpackRef, name: &str) -> Option<Self> {
        let tar = builtin::tar(name)?;
        let version = BuildpackVersion::Digest(Digest::from_bytes(Sha256::digest(&tar).into()));
        Some(Self { buildpack, version: Some(version), files: Files::Carried(tar) })
    }

    /// A folder of the app.
    #[must_use]
    pub fn in_app(path: &str) -> Self {
        Self { buildpack: BuildpackRef::InApp(path.to_owned()), version: None, files: Files::InApp(path.to_owned()) }
    }

    /// A copy of a pack that was fetched: the tar of its files.
    #[must_use]
    pub fn kept(buildpack: BuildpackRef, version: BuildpackVersion, tar: File) -> Self {
        Self { buildpack, version: Some(version), files: Files::Kept(tar) }
    }

    /// What the build remembers of it. Signatures in URLs are nobody else's business.
    #[must_use]
    pub fn used(&self) -> UsedBuildpack {
        let buildpack = match &self.buildpack {
            BuildpackRef::At(place) if matches!(**place, BuildpackPlace::Archive(_)) => place.shown().parse(),
            other => Ok(other.clone()),
        };
        UsedBuildpack { buildpack: buildpack.unwrap_or_else(|_| self.buildpack.clone()), version: self.version.clone() }
    }

    /// Puts it into the environment, in a folder of the given name.
    pub(super) async fn put(self, build: &Build<'_>, folder: &str) -> Result<Pack, BuildError> {
        let dir = format!("{PACKS_DIR}/{folder}");
        match self.files {
            Files::Carried(tar) => build.environment.put_in(&dir, tar.as_slice()).await?,
            Files::Kept(tar) => build.environment.put_in(&dir, tar).await?,
            // A copy: what a pack writes into its own folder (`export`) is not part of the app.
            Files::InApp(path) => {
                let [packs, dir] = [PACKS_DIR, &dir].map(|folder| build.environment.path(folder));
                let script = r#"mkdir -p "$1" && exec cp -R -- "$0" "$2""#;
                let copy = build.answer_of(&["sh", "-c", script, &path, &packs, &dir]).await?;
                if copy.exit != Exit::Code(0) {
                    return Err(BuildError::NoSuchBuildpack(self.buildpack));
                }
            }
        }
        Ok(Pack { dir, exports: Vec::new() })
    }
}
