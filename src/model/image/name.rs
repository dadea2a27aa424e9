//! An image's name as people write it, with the registry where it lies.
//!
//! Rules: Docker's reference grammar (distribution/reference, "grammar"). Ours rather than the `oci-spec` crate's, which is one
//! regular expression and brings two dozen crates for it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Tag;
use crate::model::{Digest, Invalid};

/// The registry that is meant where a name says none.
const DOCKER_HUB: &str = "docker.io";
/// Its other names.
const OF_DOCKER_HUB: [&str; 3] = ["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/// Longest path of a repository, in bytes.
const MAX_PATH_BYTES: usize = 255;

/// A registry: a host, with its port if it is not the usual one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegistryName(String);

impl RegistryName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where its API answers: Docker Hub's does elsewhere.
    #[must_use]
    pub fn api_host(&self) -> &str {
        if self.0 == DOCKER_HUB { "registry-1.docker.io" } else { &self.0 }
    }

    /// Tells whether it is on this very host.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = match self.0.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => self.0.split(':').next().unwrap_or_default(),
        };
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for RegistryName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse =
            || Invalid(format!("`{}` is no registry such as docker.io or registry.example.com:5000", text.escape_debug()));
        let text = text.to_ascii_lowercase();
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (text.as_str(), None),
        };
        let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
        let is_label = |label: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
            !label.is_empty() && label.chars().all(allowed) && !label.starts_with('-') && !label.ends_with('-')
        };
        let is_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => host.split('.').all(is_label),
        };
        if !is_host || !port.is_none_or(is_port) || text.len() > MAX_PATH_BYTES {
            return Err(refuse());
        }
        Ok(Self(if OF_DOCKER_HUB.contains(&text.as_str()) { DOCKER_HUB.to_owned() } else { text }))
    }
}

impl TryFrom<String> for RegistryName {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<RegistryName> for String {
    fn from(name: RegistryName) -> Self {
        name.0
    }
}

impl fmt::Display for RegistryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An image in a registry: `heroku/heroku:24-build`, `ghcr.io/acme/base@sha256:…`. Displayed with everything that is left out
/// spelt out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageName {
    pub registry: RegistryName,
    /// The path in the registry: lower-case letters and digits, `.`, `_` and `-` between them, and `/`.
    pub repository: String,
    /// There unless there is a digest.
    pub tag: Option<Tag>,
    /// Wins over the tag, which only people read then.
    pub digest: Option<Digest>,
}

impl ImageName {
    /// Which image apps run on that are built on this one: by convention, of the same name without `-build` at its end. `None`
    /// where it has no such end, or a digest that names this image alone.
    #[must_use]
    pub fn run_image(&self) -> Option<Self> {
        let tag = self.tag.as_ref().filter(|_| self.digest.is_none())?;
        if let Some(tag) = tag.as_str().strip_suffix("-build").and_then(|tag| tag.parse().ok()) {
            return Some(Self { tag: Some(tag), ..self.clone() });
        }
        let repository = self.repository.strip_suffix("-build").filter(|path| is_path(path))?;
        Some(Self { repository: repository.to_owned(), ..self.clone() })
    }
}

impl FromStr for ImageName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = |why: &str| Invalid(format!("`{}` is no image's name: {why}", text.escape_debug()));
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        // A colon before a slash is a port's.
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag.parse()?)),
            _ => (rest, None),
        };
        // As Docker tells a registry from a folder: it has a dot or a port, or is this host.
        let is_registry = |first: &str| first.contains(['.', ':']) || first == "localhost";
        let (registry, repository) = match path.split_once('/') {
            Some((first, rest)) if is_registry(first) => (first.parse::<RegistryName>()?, rest.to_owned()),
            _ => (RegistryName(DOCKER_HUB.to_owned()), path.to_owned()),
        };
        let is_official = registry.0 == DOCKER_HUB && !repository.contains('/');
        let repository = if is_official { format!("library/{repository}") } else { repository };
        if !is_path(&repository) {
            return Err(refuse("write REGISTRY/PATH:TAG, with a path of lower-case letters, digits, `.`, `_`, `-` and `/`"));
        }
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".parse().expect("a tag")));
        Ok(Self { registry, repository, tag, digest })
    }
}

/// What may stand in a URL between `/v2/` and `/manifests/`: no empty part, and none that is dots.
fn is_path(text: &str) -> bool {
    let is_part = |part: &str| {
        let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(alphanumeric)
            && part.ends_with(alphanumeric)
            && part.chars().all(|c| alphanumeric(c) || matches!(c, '.' | '_' | '-'))
            && !part.contains("..")
    };
    text.len() <= MAX_PATH_BYTES && text.split('/').all(is_part)
}

impl TryFrom<String> for ImageName {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<ImageName> for String {
    fn from(name: ImageName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        self.tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))?;
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(text: &str) -> String {
        text.parse::<ImageName>().unwrap().to_string()
    }

    #[test]
    fn what_is_left_out_is_dockers() {
        assert_eq!(full("ubuntu"), "docker.io/library/ubuntu:latest");
        assert_eq!(full("heroku/heroku:24-build"), "docker.io/heroku/heroku:24-build");
        assert_eq!(full("index.docker.io/ubuntu"), "docker.io/library/ubuntu:latest");
        assert_eq!(full("ghcr.io/acme/base/a.b_c"), "ghcr.io/acme/base/a.b_c:latest");
        assert_eq!(full("localhost/x:1"), "localhost/x:1");
        assert_eq!(full("127.0.0.1:5000/shop/web"), "127.0.0.1:5000/shop/web:latest");
        assert_eq!(full("[::1]:5000/x:a"), "[::1]:5000/x:a");
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(full(&format!("x/y@{digest}")), format!("docker.io/x/y@{digest}"), "no tag beside a digest");
        assert_eq!(full(&format!("x/y:1@{digest}")), format!("docker.io/x/y:1@{digest}"));
    }

    #[test]
    fn nothing_leads_elsewhere_in_a_registry() {
        for bad in [
            "",
            "/x",
            "x/",
            "a//b",
            "../x",
            "x/../y",
            "x/a..b",
            "Upper",
            "x y",
            "x:",
            "x:-a",
            "x@sha256:12",
            "x@sha512:00",
            "x?a=b",
            "https://x.com/y",
            "x.com:0/y",
            "x.com:70000/y",
            "-x.com/y",
            "[::g]:1/y",
            "user@x.com/y",
        ] {
            assert!(bad.parse::<ImageName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_run_image_is_named_without_build() {
        let run = |text: &str| text.parse::<ImageName>().unwrap().run_image().map(|name| name.to_string());
        assert_eq!(run("heroku/heroku:24-build").unwrap(), "docker.io/heroku/heroku:24");
        assert_eq!(run("acme/base-build:3").unwrap(), "docker.io/acme/base:3");
        assert_eq!(run("acme/base:3"), None);
        assert_eq!(run(&format!("acme/base:3-build@sha256:{}", "a".repeat(64))), None);
    }

    #[test]
    fn this_host_is_told_from_others() {
        let is_loopback = |text: &str| text.parse::<RegistryName>().unwrap().is_loopback();
        assert!(["localhost", "localhost:5000", "127.0.0.1:1", "[::1]:5000"].into_iter().all(is_loopback));
        assert!(!["docker.io", "localhost.example.com", "10.0.0.1:5000"].into_iter().any(is_loopback));
    }
}
