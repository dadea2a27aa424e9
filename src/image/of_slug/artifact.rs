//! What is attached to an image: a manifest of its own that names the image as its subject (OCI image specification,
//! "Guidelines for Artifact Usage"), and that clients find by the referrers API.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{descriptor_of, to_json};
use crate::model::{Descriptor, ManifestType, Tag};

/// Most artifacts need no config: "the descriptor of the empty value".
const EMPTY_CONFIG: &[u8] = b"{}";
const EMPTY_CONFIG_TYPE: &str = "application/vnd.oci.empty.v1+json";

/// A manifest, the blobs that it is made of, and the tag by which clients find it that do not know referrers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    pub manifest: Vec<u8>,
    pub blobs: Vec<Vec<u8>>,
    pub tag: Option<Tag>,
}

/// What an artifact consists of.
pub(super) struct Parts<'a> {
    pub(super) artifact_type: &'a str,
    /// Its media type and its bytes, unless it is empty.
    pub(super) config: Option<(&'a str, Vec<u8>)>,
    pub(super) media_type: &'a str,
    pub(super) content: Vec<u8>,
    /// Of the content.
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) tag: Option<Tag>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    media_type: &'static str,
    artifact_type: &'a str,
    config: Descriptor,
    layers: [Descriptor; 1],
    subject: &'a Descriptor,
}

/// Attaches something to the image that `subject` names.
pub(super) fn attach(subject: &Descriptor, parts: Parts<'_>) -> Artifact {
    let (config_type, config) = parts.config.unwrap_or_else(|| (EMPTY_CONFIG_TYPE, EMPTY_CONFIG.to_vec()));
    let layer = Descriptor { annotations: parts.annotations, ..descriptor_of(parts.media_type, &parts.content) };
    let manifest = to_json(&Manifest {
        schema_version: 2,
        media_type: ManifestType::OciManifest.as_str(),
        artifact_type: parts.artifact_type,
        config: descriptor_of(config_type, &config),
        layers: [layer],
        subject,
    });
    Artifact { manifest, blobs: vec![config, parts.content], tag: parts.tag }
}

/// Cosign's name for what belongs to an image, in its repository: `sha256-<hex>.sig`.
pub(super) fn cosign_tag(subject: &Descriptor, suffix: &str) -> Tag {
    format!("sha256-{}.{suffix}", subject.digest.hex()).parse().expect("letters, digits, a dash and a dot")
}
