//! Slugs' releases as images that any container engine runs, without a second copy of a slug's bytes.
//!
//! In reading order: `image` is the image itself, the stack's layer and the slug's own blob under a config of the
//! release; `sbom` lists what is in it, `provenance` says where it comes from, as
//! `slug_provenance` does of the slug alone; `envelope` and `sign` vouch for all of it; `artifact` attaches
//! such to an image. All of it is bytes; who stores them and lets a tag name them is not told here.

mod image;

mod provenance;
mod sbom;
mod slug_provenance;

mod envelope;
mod sign;

mod artifact;

pub use artifact::Artifact;
pub use envelope::{EnvelopeError, STATEMENT_TYPE as PROVENANCE_TYPE, open_envelope};
pub use image::{ImageStack, SlugImage, StackLayer};
pub use provenance::{BuildOrigin, Origin, provenance};
pub use sbom::{
    Contents, Inventory, Listing, Package, SBOM_TYPE, StackPackages, debian_packages, distribution, packages_in_slug,
    read_lock_file, sbom, slug_sbom,
};
pub use sign::{KeyError, SIGNATURE_KEY, SigningKey, key_digest, signature, verify};
pub use slug_provenance::{Code, SlugOrigin, slug_of_statement, slug_provenance};

use sha2::Digest as _;

use crate::model::{Descriptor, Digest};

fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(sha2::Sha256::digest(bytes).into())
}

/// Names bytes as a manifest does.
#[must_use]
pub fn descriptor_of(media_type: &str, bytes: &[u8]) -> Descriptor {
    descriptor(media_type, digest_of(bytes), bytes.len() as u64)
}

fn descriptor(media_type: &str, digest: Digest, size_bytes: u64) -> Descriptor {
    let media_type = media_type.to_owned();
    Descriptor {
        media_type,
        digest,
        size_bytes,
        urls: Vec::new(),
        annotations: std::collections::BTreeMap::new(),
        artifact_type: None,
        platform: None,
    }
}

/// The same value gives the same bytes: fields in their order, keys of maps sorted.
fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts, numbers and maps of texts are JSON")
}
