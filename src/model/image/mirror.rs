//! Where else a registry's images are, and who asks for them.

use std::str::FromStr;

use serde::Deserialize;

use super::RegistryName;
use crate::model::{Invalid, Secret};

/// Where a registry's images are to be had, too.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Mirror {
    pub registry: RegistryName,
    /// The folder in it, without slashes at its ends; empty for none.
    pub folder: String,
    /// Whether its address says `http://`.
    pub is_plain: bool,
}

impl FromStr for Mirror {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = || Invalid(format!("`{}` is no mirror such as https://mirror.example.com", text.escape_debug()));
        let (is_plain, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(refuse()),
        };
        let (registry, folder) = rest.trim_end_matches('/').split_once('/').unwrap_or((rest.trim_end_matches('/'), ""));
        let is_part = |part: &str| {
            part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) && !part.trim_matches('.').is_empty()
        };
        if !(folder.is_empty() || folder.split('/').all(is_part)) {
            return Err(refuse());
        }
        Ok(Self { registry: registry.parse().map_err(|_| refuse())?, folder: folder.to_owned(), is_plain })
    }
}

impl TryFrom<String> for Mirror {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

/// As whom a registry is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryLogin {
    Password {
        user: String,
        password: Secret,
    },
    /// What some registries give in the place of a password.
    IdentityToken(Secret),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_addresses_and_folders() {
        let mirror: Mirror = "https://mirror.test:5000/docker-hub/".parse().unwrap();
        assert_eq!(
            (mirror.registry.as_str(), mirror.folder.as_str(), mirror.is_plain),
            ("mirror.test:5000", "docker-hub", false)
        );
        let mirror: Mirror = "http://127.0.0.1:5000".parse().unwrap();
        assert_eq!((mirror.registry.as_str(), mirror.folder.as_str(), mirror.is_plain), ("127.0.0.1:5000", "", true));
        for bad in [
            "mirror.test",
            "ftp://mirror.test",
            "https://",
            "https://a b",
            "https://m.test/../x",
            "https://m.test/a?b",
            "https://u@m.test",
        ] {
            assert!(bad.parse::<Mirror>().is_err(), "{bad}");
        }
    }
}
