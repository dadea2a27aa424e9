//! An image as it lies in the store: its manifest, and its config.

use std::io;

use tokio::io::AsyncReadExt as _;

use crate::engine::EngineError;
use crate::model::{Digest, ImageConfig, ImageManifest, Invalid};
use crate::store::Store;

/// An image for one kind of machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub id: Digest,
    pub manifest: ImageManifest,
    pub config: ImageConfig,
}

/// Why an image can't be used: run, or released.
#[derive(Debug, thiserror::Error)]
pub enum UnusableImage {
    /// Whoever made the image is to mend it.
    #[error("the image can't be used: {0}")]
    Unfit(Invalid),
    /// hoist's own fault.
    #[error("{what}")]
    Io { what: &'static str, source: io::Error },
    #[error("the image can't be unpacked")]
    Engine(#[source] EngineError),
}

impl From<io::Error> for UnusableImage {
    /// Of what was unpacked.
    fn from(source: io::Error) -> Self {
        Self::Io { what: "the unpacked images can't be kept", source }
    }
}

impl UnusableImage {
    pub(super) fn unfit(why: impl Into<String>) -> Self {
        Self::Unfit(Invalid(why.into()))
    }
}

/// Reads the image whose manifest this is. Both its parts are in the store, or it is hoist's fault.
pub async fn read(store: &Store, manifest: &Digest) -> Result<Image, UnusableImage> {
    let bytes = read_blob(store, manifest, ImageManifest::MAX_BYTES as u64, "the image's manifest can't be read").await?;
    let manifest = ImageManifest::parse(&bytes, None).map_err(UnusableImage::Unfit)?;
    let Some(config) = &manifest.config else {
        return Err(UnusableImage::unfit("it is an index of images for several kinds of machines: name one of its manifests"));
    };
    let id = config.digest;
    let bytes = read_blob(store, &id, ImageConfig::MAX_BYTES, "the image's config can't be read").await?;
    let config = ImageConfig::parse(&bytes).map_err(UnusableImage::Unfit)?;
    if config.diff_ids.len() != manifest.layers.len() {
        let (layers, said) = (manifest.layers.len(), config.diff_ids.len());
        return Err(UnusableImage::unfit(format!("its manifest has {layers} layers, and its config {said}")));
    }
    Ok(Image { id, manifest, config })
}

async fn read_blob(store: &Store, digest: &Digest, most: u64, what: &'static str) -> Result<Vec<u8>, UnusableImage> {
    let failed = |source| UnusableImage::Io { what, source };
    let size = store.size(digest).await.map_err(failed)?;
    if size > most {
        return Err(UnusableImage::unfit(format!("its manifest or config has {size} bytes, and may have {most}")));
    }
    let mut bytes = Vec::new();
    store.open_blob(digest).await.map_err(failed)?.take(most).read_to_end(&mut bytes).await.map_err(failed)?;
    Ok(bytes)
}
