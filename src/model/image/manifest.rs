//! Manifests and indexes, OCI's and Docker's.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Platform;
use crate::model::{Digest, Invalid};

/// The kinds of manifests that hoist keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ManifestType {
    OciManifest,
    OciIndex,
    /// Schema 2.
    DockerManifest,
    DockerList,
}

impl ManifestType {
    pub const ALL: [Self; 4] = [Self::OciManifest, Self::OciIndex, Self::DockerManifest, Self::DockerList];

    /// The media type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OciManifest => "application/vnd.oci.image.manifest.v1+json",
            Self::OciIndex => "application/vnd.oci.image.index.v1+json",
            Self::DockerManifest => "application/vnd.docker.distribution.manifest.v2+json",
            Self::DockerList => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    /// Tells whether such a manifest lists others, rather than layers.
    #[must_use]
    pub fn is_index(self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerList)
    }
}

impl FromStr for ManifestType {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // RFC 9110, section 8.3.1: the case does not matter, and parameters say nothing here.
        let essence = text.split(';').next().unwrap_or_default().trim();
        let known = Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(essence));
        known.ok_or_else(|| {
            let schema_1 = essence.starts_with("application/vnd.docker.distribution.manifest.v1");
            let advice = if schema_1 { SCHEMA_1 } else { "push an OCI or a Docker schema 2 manifest, or an index of such" };
            Invalid(format!("manifests of the type `{}` are not kept here: {advice}", essence.escape_debug()))
        })
    }
}

impl fmt::Display for ManifestType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a client of the last decade is to do that still pushes the first one's manifests.
const SCHEMA_1: &str = "schema 1 has been given up by Docker itself; push with a Docker Engine of at least 1.10";

/// Names some content by its digest, as OCI's image specification has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    #[serde(rename = "size")]
    pub size_bytes: u64,
    /// Where a layer is to be had that no registry may hand on. Such a layer is not pushed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// As it is written: hoist only tells one platform from another by its parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// What hoist reads in a manifest or an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageManifest {
    pub media_type: ManifestType,
    /// None in an index only.
    pub config: Option<Descriptor>,
    pub layers: Vec<Descriptor>,
    /// The manifests that an index lists.
    pub manifests: Vec<Descriptor>,
    pub subject: Option<Descriptor>,
    /// The config's media type where the manifest itself says nothing.
    pub artifact_type: Option<String>,
    pub annotations: BTreeMap<String, String>,
}

/// A manifest's JSON. What decides between its kinds is looked for also where it does not belong.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    schema_version: u32,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

/// The one field that a manifest of any schema has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    schema_version: u32,
}

impl ImageManifest {
    /// The largest manifest that is read. The specification asks for no less.
    pub const MAX_BYTES: usize = 4 * 1024 * 1024;
    /// Most layers, and most manifests of an index. Docker stops at 127 layers.
    pub const MAX_CHILDREN: usize = 4096;

    /// Parses a manifest that came with a `Content-Type`, if it did.
    ///
    /// # Errors
    /// When it is no manifest that hoist keeps, when it could be read in two ways, or when it is too large.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, Invalid> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(Invalid(format!("a manifest has at most {} bytes, and this one has {}", Self::MAX_BYTES, bytes.len())));
        }
        let refuse = |error: serde_json::Error| Invalid(format!("this is no manifest: {error}"));
        let version: Version = serde_json::from_slice(bytes).map_err(refuse)?;
        if version.schema_version == 1 {
            return Err(Invalid(format!("manifests of schema 1 are not kept here: {SCHEMA_1}")));
        }
        let wire: Wire = serde_json::from_slice(bytes).map_err(refuse)?;
        let media_type = wire.media_type(content_type)?;
        wire.check(media_type)?;
        Ok(wire.manifest(media_type))
    }

    /// Everything that the manifest is made of and that its repository has to have, without what is had elsewhere.
    pub fn children(&self) -> impl Iterator<Item = &Descriptor> {
        let layers = self.layers.iter().filter(|layer| layer.urls.is_empty());
        self.config.iter().chain(layers).chain(&self.manifests)
    }
}

impl Wire {
    /// What the body says of itself, and the header, which must not say something else: a client that believes the one must
    /// not see another manifest than one that believes the other.
    fn media_type(&self, content_type: Option<&str>) -> Result<ManifestType, Invalid> {
        let inside = self.media_type.as_deref().map(str::parse).transpose()?;
        let outside = content_type.filter(|text| !text.is_empty()).map(str::parse).transpose()?;
        match (inside, outside) {
            (Some(inside), Some(outside)) if inside != outside => {
                Err(Invalid(format!("the manifest says that it is {inside}, and its Content-Type {outside}")))
            }
            (Some(media_type), _) | (None, Some(media_type)) => Ok(media_type),
            (None, None) if self.manifests.is_some() => Ok(ManifestType::OciIndex),
            (None, None) => Ok(ManifestType::OciManifest),
        }
    }

    fn check(&self, media_type: ManifestType) -> Result<(), Invalid> {
        let refuse = |text: String| Err(Invalid(text));
        if self.schema_version != 2 {
            return refuse(format!("a manifest's schemaVersion is 2, and this one's {}", self.schema_version));
        }
        let (is_image, is_index) = (self.config.is_some() || self.layers.is_some(), self.manifests.is_some());
        match media_type.is_index() {
            true if !is_index => return refuse(format!("{media_type} needs `manifests`")),
            true if is_image => return refuse(format!("{media_type} has neither `config` nor `layers`")),
            false if is_index => return refuse(format!("{media_type} has no `manifests`")),
            false if self.config.is_none() || self.layers.is_none() => {
                return refuse(format!("{media_type} needs `config` and `layers`"));
            }
            _ => {}
        }
        let children = self.layers.iter().chain(&self.manifests).map(Vec::len).max().unwrap_or_default();
        if children > ImageManifest::MAX_CHILDREN {
            return refuse(format!("a manifest lists at most {} others, and this one {children}", ImageManifest::MAX_CHILDREN));
        }
        Ok(())
    }

    fn manifest(self, media_type: ManifestType) -> ImageManifest {
        let of_config = self.config.as_ref().map(|config| config.media_type.clone());
        ImageManifest {
            media_type,
            artifact_type: self.artifact_type.filter(|text| !text.is_empty()).or(of_config),
            config: self.config,
            layers: self.layers.unwrap_or_default(),
            manifests: self.manifests.unwrap_or_default(),
            subject: self.subject,
            annotations: self.annotations.unwrap_or_default(),
        }
    }
}
