//! Images: their names, in hoist's own registry and in others (`name`), and what hoist reads in a manifest and a config.
//!
//! Types of our own rather than the `oci-spec` crate's, which bring builders and regular expressions along, know no Docker
//! manifests, and take what hoist has to refuse.

mod config;
mod manifest;
mod mirror;
mod name;
mod packing;
mod platform;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use super::{AppName, Digest, Invalid, ProcessType};

pub use config::ImageConfig;
pub use manifest::{Descriptor, ImageManifest, ManifestType};
pub use mirror::{Mirror, RegistryLogin};
pub use name::{ImageName, RegistryName};
pub use packing::Packing;
pub use platform::Platform;

/// Where images of an app's process type lie: `my-app/web`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    pub app: AppName,
    pub process_type: ProcessType,
}

impl FromStr for Repository {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = || {
            Invalid(format!(
                "`{}` is no repository: an image's name is that of the app and of a process type, as in my-app/web",
                text.escape_debug()
            ))
        };
        let (app, process_type) = text.split_once('/').ok_or_else(refuse)?;
        Ok(Self { app: app.parse().map_err(|_| refuse())?, process_type: process_type.parse().map_err(|_| refuse())? })
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.app, self.process_type)
    }
}

/// A tag, `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (OCI Distribution, "Pulling manifests").
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let good = text.len() <= 128 && text.starts_with(first) && text.chars().all(|c| first(c) || matches!(c, '.' | '-'));
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid(format!(
                "`{}` is no tag: use at most 128 letters, digits, `_`, `.` and `-`, and begin with none of the last two",
                text.escape_debug()
            )))
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What follows a repository's name: which of its manifests is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    Tag(Tag),
    Digest(Digest),
}

impl FromStr for Reference {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // No tag has a colon.
        if text.contains(':') { text.parse().map(Self::Digest) } else { text.parse().map(Self::Tag) }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}
