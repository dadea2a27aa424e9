//! How a layer is compressed.

use serde::{Deserialize, Serialize};

use super::ManifestType;

/// The forms of layers. Whatever a manifest calls it, a layer's first bytes say which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// Tells it by a layer's first bytes, of which four are enough.
    #[must_use]
    pub fn of(first_bytes: &[u8]) -> Self {
        match first_bytes {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or one that decoders pass over (RFC 8878, section 3.1).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// The layer's media type in such a manifest. Docker has no name for zstd, and calls it as containerd does.
    #[must_use]
    pub fn media_type(self, manifest: ManifestType) -> &'static str {
        match (manifest, self) {
            (ManifestType::DockerManifest, Self::Plain) => "application/vnd.docker.image.rootfs.diff.tar",
            (ManifestType::DockerManifest, Self::Gzip) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            (ManifestType::DockerManifest, Self::Zstd) => "application/vnd.docker.image.rootfs.diff.tar.zstd",
            (_, Self::Plain) => "application/vnd.oci.image.layer.v1.tar",
            (_, Self::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (_, Self::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}
