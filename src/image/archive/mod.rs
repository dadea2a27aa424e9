//! An image as a Docker Engine writes it out (`docker save`), taken over into the store.
//!
//! The archive is read once, as it comes: what is in it is told at its end only, in `manifest.json`. So every tar in it is
//! kept as a layer (`layer`), and everything else, which is small, in memory. The Engine names layers by what they unpack
//! to, and so are they checked.

mod layer;

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write as _};

use serde::{Deserialize, Serialize};
use tokio::io::AsyncRead;
use tokio::task::spawn_blocking;
use tokio_util::io::SyncIoBridge;

use crate::model::{Descriptor, Digest, ImageConfig, ImageManifest, Invalid, ManifestType};
use crate::store::Store;
use crate::tarball::{Kind, read_entry};
use layer::{Counted, Layer, is_layer, keep_layer, skip_padding};

const READ_BYTES: usize = 256 * 1024;
/// Most bytes of all that is no layer: a config holds the history of each layer, and old Engines write one per layer.
const MOST_TEXT_BYTES: u64 = 64 * 1024 * 1024;

/// An image whose manifest, config and layers are in the store.
#[derive(Debug, Clone)]
pub struct KeptImage {
    pub digest: Digest,
    pub size_bytes: u64,
    pub manifest: ImageManifest,
    /// The config's digest.
    pub image_id: Digest,
    pub config: ImageConfig,
}

/// Why an image was not taken over. But for the first, it is not its maker's fault.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error("the image is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the Docker Engine's image can't be understood: {0}")]
    Archive(String),
    #[error("the image can't be taken over from the Docker Engine")]
    Io(#[from] io::Error),
}

impl From<Invalid> for KeepError {
    fn from(Invalid(why): Invalid) -> Self {
        Self::Archive(why)
    }
}

/// Takes an image over. Dropped, it leaves nothing but blobs that nobody refers to; so does an error.
pub async fn keep_archive(
    archive: impl AsyncRead + Send + Unpin + 'static,
    store: &Store,
    most_bytes: u64,
) -> Result<KeptImage, KeepError> {
    let store = store.clone();
    let bridge = SyncIoBridge::new(archive);
    spawn_blocking(move || keep(bridge, &store, most_bytes)).await.map_err(io::Error::other)?
}

fn keep(archive: impl Read, store: &Store, most_bytes: u64) -> Result<KeptImage, KeepError> {
    let mut tar = BufReader::with_capacity(READ_BYTES, Counted { input: archive, left_bytes: most_bytes });
    let mut parts = Parts::default();
    let mut text_bytes = 0;
    while let Some(entry) = read_entry(&mut tar).map_err(|error| too_large(error, most_bytes))? {
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        match entry.kind {
            Kind::File { size_bytes, .. } => {
                let mut content = (&mut tar).take(size_bytes);
                if is_layer(&mut content).map_err(|error| too_large(error, most_bytes))? {
                    let layer = keep_layer(&mut content, store).map_err(|error| too_large(error, most_bytes))?;
                    parts.layers.insert(path, layer);
                } else {
                    text_bytes += size_bytes;
                    if text_bytes > MOST_TEXT_BYTES {
                        return Err(KeepError::Archive("it has more than 64 MiB that are no layers".into()));
                    }
                    let mut text = Vec::new();
                    content.read_to_end(&mut text).map_err(|error| too_large(error, most_bytes))?;
                    parts.texts.insert(path, text);
                }
                skip_padding(&mut tar, size_bytes)?;
            }
            // A layer that comes twice: `../OTHER/layer.tar`.
            Kind::Symlink { target } | Kind::HardLink { target, .. } => {
                let target = String::from_utf8_lossy(&target);
                parts.links.insert(path, target.trim_start_matches("../").to_owned());
            }
            Kind::Folder | Kind::Special => {}
        }
    }
    parts.keep(store)
}

/// Tells the end of what may be read from other failures.
fn too_large(error: io::Error, limit: u64) -> KeepError {
    if error.kind() == io::ErrorKind::FileTooLarge { KeepError::TooLarge { limit } } else { error.into() }
}

/// What an archive holds, by path.
#[derive(Default)]
struct Parts {
    texts: BTreeMap<String, Vec<u8>>,
    layers: BTreeMap<String, Layer>,
    links: BTreeMap<String, String>,
}

/// An image in the archive's `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// The manifest that hoist writes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    media_type: &'static str,
    config: &'a Descriptor,
    layers: &'a [Descriptor],
}

impl Parts {
    fn keep(&self, store: &Store) -> Result<KeptImage, KeepError> {
        let list = self.texts.get("manifest.json").ok_or_else(|| KeepError::Archive("it has no manifest.json".into()))?;
        let images: Vec<Listed> = serde_json::from_slice(list).map_err(|error| KeepError::Archive(error.to_string()))?;
        let [image] = images.as_slice() else {
            return Err(KeepError::Archive(format!("it holds {} images", images.len())));
        };
        let missing = |path: &str| KeepError::Archive(format!("it lacks {path}"));
        let config_text = self.texts.get(&image.config).ok_or_else(|| missing(&image.config))?;
        let config = ImageConfig::parse(config_text)?;
        let paths = image.layers.iter().flatten();
        let layers = paths.map(|path| self.layer(path).ok_or_else(|| missing(path))).collect::<Result<Vec<_>, _>>()?;
        if !layers.iter().map(|layer| layer.diff_id).eq(config.diff_ids.iter().copied()) {
            return Err(KeepError::Archive("its layers are not those that its config names".into()));
        }
        let (image_id, config_bytes) = put(store, config_text)?;
        let config_type = "application/vnd.oci.image.config.v1+json";
        let layer_type = "application/vnd.oci.image.layer.v1.tar+gzip";
        let layers: Vec<_> = layers.iter().map(|layer| descriptor(layer_type, layer.digest, layer.size_bytes)).collect();
        let manifest = serde_json::to_vec(&Manifest {
            schema_version: 2,
            media_type: ManifestType::OciManifest.as_str(),
            config: &descriptor(config_type, image_id, config_bytes),
            layers: &layers,
        });
        let manifest = manifest.expect("texts and numbers are JSON");
        let (digest, size_bytes) = put(store, &manifest)?;
        Ok(KeptImage { digest, size_bytes, manifest: ImageManifest::parse(&manifest, None)?, image_id, config })
    }

    fn layer(&self, path: &str) -> Option<&Layer> {
        self.layers.get(path).or_else(|| self.layers.get(self.links.get(path)?))
    }
}

fn put(store: &Store, bytes: &[u8]) -> io::Result<(Digest, u64)> {
    let mut writer = store.writer()?;
    writer.write_all(bytes)?;
    writer.finish()
}

fn descriptor(media_type: &str, digest: Digest, size_bytes: u64) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest,
        size_bytes,
        urls: Vec::new(),
        annotations: BTreeMap::new(),
        artifact_type: None,
        platform: None,
    }
}

#[cfg(test)]
mod tests;
