//! From an image's layers to its root file system.

use std::io;
use std::path::Path;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

use super::layers::{self, CHUNKS_WAITING, Layer};
use super::read::{Image, ImageError};
use crate::engine::{Engine, EngineError};
use crate::model::Limits;
use crate::store::Store;

/// Unpacks an image to `dest`, a new folder. What a failure leaves there goes away with [`Engine::remove_root`].
pub(super) async fn unpack(
    engine: &Engine,
    store: &Store,
    image: &Image,
    dest: &Path,
    limits: &Limits,
) -> Result<(), ImageError> {
    let mut layers = Vec::new();
    for (descriptor, diff_id) in image.manifest.layers.iter().zip(&image.config.diff_ids) {
        let blob = match store.open_blob(&descriptor.digest).await {
            Ok(blob) => blob.into_std().await,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !descriptor.urls.is_empty() => {
                return Err(ImageError::unfit("one of its layers is not in the registry, but only where its maker says"));
            }
            Err(source) => return Err(ImageError::Io { what: "a layer can't be read", source }),
        };
        layers.push(Layer { blob, diff_id: *diff_id });
    }
    let (chunks, mut received) = mpsc::channel::<io::Result<Bytes>>(CHUNKS_WAITING);
    let most_bytes = limits.image_bytes;
    let reading = tokio::task::spawn_blocking(move || {
        let read = layers::stream(layers, most_bytes, &chunks);
        if read.is_err() {
            // A tar that just ended might be taken for a whole one. If nobody reads any more, nobody takes it for anything.
            let _ = chunks.blocking_send(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        read
    });
    let tar = StreamReader::new(futures_util::stream::poll_fn(move |context| received.poll_recv(context)));
    let unpacked = engine.unpack_layers(tar, dest, limits.image_files).await;
    // What is wrong with a layer comes first: it is why unpacking failed, too.
    reading.await.map_err(|error| ImageError::Io { what: "reading the layers was abandoned", source: error.into() })??;
    unpacked.map_err(|error| if is_makers_fault(&error) { ImageError::unfit(words(&error)) } else { ImageError::Engine(error) })
}

/// The engine says so of what is wrong with a tar, rather than with the disk.
fn is_makers_fault(error: &EngineError) -> bool {
    error.source.as_ref().is_some_and(|source| source.kind() == io::ErrorKind::InvalidData)
}

fn words(error: &EngineError) -> String {
    error.source.as_ref().map_or_else(|| error.to_string(), ToString::to_string)
}
