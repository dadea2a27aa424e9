//! What is known of a stack that was pulled: `image.json` beside its roots.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{StackError, io_error};
use crate::model::{Digest, ImageName, Packing, Platform};

/// There once everything else is.
pub(super) const RECORD: &str = "image.json";
/// The run image's layers as they were pulled, each under its digest.
pub(super) const LAYERS: &str = "layers";

/// `image.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub build: ImageRecord,
    pub run: ImageRecord,
    /// The run image's, the lowest first, and hoist's own on top.
    pub layers: Vec<LayerRecord>,
    /// Of both roots' files.
    pub size_bytes: u64,
}

/// One of its images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ImageRecord {
    /// Of the manifest.
    pub digest: Digest,
    /// What the image's config sets.
    pub env: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LayerRecord {
    pub digest: Digest,
    pub diff_id: Digest,
    pub size_bytes: u64,
    pub packing: Packing,
}

/// From which images a stack was pulled; in `current.json`, because a tag comes to name others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageNames {
    pub build: ImageName,
    pub run: ImageName,
    /// For which machines.
    pub platform: Platform,
}

/// What a stack was pulled from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    pub names: ImageNames,
    /// Of the manifests that the names stood for.
    pub build_digest: Digest,
    pub run_digest: Digest,
    /// Of both roots' files.
    pub size_bytes: u64,
}

/// Reads the record in a stack's folder; `None` where the stack was not pulled.
pub(super) fn read_record(folder: &Path) -> Result<Option<Record>, StackError> {
    let path = folder.join(RECORD);
    let bytes = match fs::read(&path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        other => other.map_err(io_error(format!("read {}", path.display())))?,
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|why| StackError::Damaged { path, why: why.to_string() })
}

/// Writes the record; its folder is synced by whoever puts that in place.
pub(super) fn write_record(folder: &Path, record: &Record) -> Result<(), StackError> {
    let path = folder.join(RECORD);
    let bytes = serde_json::to_vec_pretty(record).expect("plain data is JSON");
    fs::write(&path, bytes).map_err(io_error(format!("write {}", path.display())))
}
