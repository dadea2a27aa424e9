//! From an image's layers to its root file system.

use std::io;
use std::path::Path;

use super::read::{Image, UnusableImage};
use crate::engine::Engine;
use crate::model::Limits;
use crate::store::Store;
use crate::tarball::layers::{self, Layer, LayerError};

/// Unpacks an image to `dest`, a new folder. What a failure leaves there goes away with [`Engine::remove_root`].
pub(super) async fn unpack(
    engine: &Engine,
    store: &Store,
    image: &Image,
    dest: &Path,
    limits: &Limits,
) -> Result<(), UnusableImage> {
    let mut layers = Vec::new();
    for (descriptor, diff_id) in image.manifest.layers.iter().zip(&image.config.diff_ids) {
        let blob = match store.open_blob(&descriptor.digest).await {
            Ok(blob) => blob.into_std().await,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !descriptor.urls.is_empty() => {
                return Err(UnusableImage::unfit("one of its layers is not in the registry, but only where its maker says"));
            }
            Err(source) => return Err(UnusableImage::Io { what: "a layer can't be read", source }),
        };
        layers.push(Layer { blob, diff_id: *diff_id });
    }
    let (tars, reading) = layers::read(layers, limits.image_bytes);
    let unpacked = engine.unpack_layers(tars, dest, limits.image_files).await;
    // What is wrong with a layer comes first: it is why unpacking failed, too.
    match reading.await.map_err(|error| UnusableImage::Io { what: "reading the layers was abandoned", source: error.into() })? {
        Ok(_) => {}
        Err(LayerError::Wrong(why)) => return Err(UnusableImage::Unfit(why)),
        Err(LayerError::Io(source)) => return Err(UnusableImage::Io { what: "a layer can't be read", source }),
    }
    unpacked.map_err(|error| error.refusal().map_or_else(|| UnusableImage::Engine(error), UnusableImage::unfit))
}
