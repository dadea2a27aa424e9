//! For which machines an image is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::Invalid;

/// A kind of machine, in Go's words (OCI image-spec, "Image Index": platform): `linux/arm64/v8`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    pub architecture: String,
    pub os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Of this host.
    #[must_use]
    pub fn of_this_host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self { architecture: architecture.to_owned(), os: "linux".to_owned(), variant: None }
    }

    /// Tells whether what is for `other` is what is asked for here; any variant will do where none is asked for.
    #[must_use]
    pub fn accepts(&self, other: &Self) -> bool {
        let is_variant = self.variant.is_none() || self.variant == other.variant;
        self.os == other.os && self.architecture == other.architecture && is_variant
    }
}

impl FromStr for Platform {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = || Invalid(format!("`{}` is no platform such as linux/amd64 or linux/arm64/v8", text.escape_debug()));
        let is_word = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let words: Vec<_> = text.split('/').filter(is_word).collect();
        match (words.as_slice(), text.split('/').count() == words.len()) {
            (["linux", architecture, variant @ ..], true) if variant.len() < 2 => Ok(Self {
                architecture: (*architecture).to_owned(),
                os: "linux".to_owned(),
                variant: variant.first().map(|variant| (*variant).to_owned()),
            }),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn only_linux_runs_here() {
        for good in ["linux/amd64", "linux/arm64/v8", "linux/s390x"] {
            assert_eq!(platform(good).to_string(), good);
        }
        for bad in ["", "linux", "amd64", "windows/amd64", "linux//v8", "linux/arm/v7/x", "linux/AMD64", "linux/arm64/"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_variant_that_nobody_asks_for_does_not_matter() {
        assert!(platform("linux/arm64").accepts(&platform("linux/arm64/v8")));
        assert!(platform("linux/arm/v7").accepts(&platform("linux/arm/v7")));
        assert!(!platform("linux/arm/v7").accepts(&platform("linux/arm/v6")));
        assert!(!platform("linux/amd64").accepts(&platform("linux/arm64")));
    }
}
