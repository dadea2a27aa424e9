//! From fetched layers to a root file system.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};

use super::own_layer::own_layer;
use crate::engine::Engine;
use crate::model::{Digest, ImageName, Invalid, Limits, Packing};
use crate::stack::pulled::LayerRecord;
use crate::stack::registry::Image;
use crate::stack::{StackError, io_error};
use crate::tarball::layers::{self, Layer, LayerError};

/// More than hoist's own layer has.
const MOST_OWN_ENTRIES: u64 = 100;

/// Unpacks an image whose layers lie in `fetched` to a new folder, and returns how many bytes it has.
pub(super) async fn unpack(
    image: &Image,
    name: &ImageName,
    fetched: &Path,
    dest: &Path,
    limits: &Limits,
    engine: &Engine,
) -> Result<u64, StackError> {
    let mut layers = Vec::new();
    for (layer, diff_id) in image.manifest.layers.iter().zip(&image.config.diff_ids) {
        let path = fetched.join(layer.digest.hex());
        let blob = File::open(&path).map_err(io_error(format!("open {}", path.display())))?;
        layers.push(Layer { blob, diff_id: *diff_id });
    }
    let unfit = |Invalid(why)| StackError::Unfit { image: Box::new(name.clone()), why };
    let (tars, reading) = layers::read(layers, limits.image_bytes);
    let unpacked = engine.unpack_layers(tars, dest, limits.image_files).await;
    // What is wrong with a layer comes first: it is why unpacking failed, too.
    let bytes = reading.await.expect("reading does not panic").map_err(|error| match error {
        LayerError::Wrong(why) => unfit(why),
        LayerError::Io(error) => io_error("read a layer")(error),
    })?;
    unpacked.map_err(|error| error.refusal().map_or_else(|| error.into(), |why| unfit(Invalid(why))))?;
    Ok(bytes)
}

/// Moves an image's layers to where they stay, and returns what is known of them.
pub(super) fn keep_layers(image: &Image, fetched: &Path, dest: &Path) -> io::Result<Vec<LayerRecord>> {
    let layers = image.manifest.layers.iter().zip(&image.config.diff_ids);
    let keep = |(layer, diff_id): (&crate::model::Descriptor, &Digest)| {
        let (from, to) = (fetched.join(layer.digest.hex()), dest.join(layer.digest.hex()));
        // The same layer may stand in an image twice.
        if !to.exists() {
            fs::rename(&from, &to)?;
        }
        let mut first_bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(File::open(&to)?, 4), &mut first_bytes)?;
        let packing = Packing::of(&first_bytes);
        Ok(LayerRecord { digest: layer.digest, diff_id: *diff_id, size_bytes: layer.size_bytes, packing })
    };
    layers.map(keep).collect()
}

/// Lays over a root what hoist needs there, and keeps it in `keep`, if that is given, as a layer like any other.
pub(super) async fn add_own_layer(
    name: &ImageName,
    root: &Path,
    keep: Option<&Path>,
    engine: &Engine,
) -> Result<LayerRecord, StackError> {
    let tar = own_layer(root).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => StackError::Unfit { image: Box::new(name.clone()), why: error.to_string() },
        _ => io_error(format!("read what is in {name}"))(error),
    })?;
    engine.unpack_layers(tar.as_slice(), root, MOST_OWN_ENTRIES).await?;
    let diff_id = Digest::from_bytes(Sha256::digest(&tar).into());
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    let packed = gzip.write_all(&tar).and_then(|()| gzip.finish()).expect("writing to memory does not fail");
    let digest = Digest::from_bytes(Sha256::digest(&packed).into());
    if let Some(dir) = keep {
        fs::write(dir.join(digest.hex()), &packed).map_err(io_error("keep hoist's own layer"))?;
    }
    Ok(LayerRecord { digest, diff_id, size_bytes: packed.len() as u64, packing: Packing::Gzip })
}
