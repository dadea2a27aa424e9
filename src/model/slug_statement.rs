//! What is said of a slug, and kept beside it.

use super::Digest;

/// What a statement says of a slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementKind {
    /// What is in it, in `CycloneDX`.
    Sbom,
    /// Where it comes from: an in-toto statement in a signed envelope.
    Provenance,
}

impl StatementKind {
    /// The word used in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sbom => "sbom",
            Self::Provenance => "provenance",
        }
    }
}

/// A statement whose bytes are in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlugStatement {
    pub kind: StatementKind,
    pub digest: Digest,
    pub size_bytes: u64,
}
