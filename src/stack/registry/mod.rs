//! Registries as a client sees them (OCI Distribution specification, "Pull"). All of it blocks.
//!
//! In reading order: this file says what is known of registries and where an image may lie; `client` asks one, saying who it
//! is as `challenge` wants it; `image` finds out what an image is made of; `blob` fetches a part of it to a file.

mod challenge;
mod client;

mod blob;
mod image;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::fetch::FetchError;
use crate::model::{Digest, ImageName, Invalid, Mirror, Platform, RegistryLogin, RegistryName};

pub(super) use blob::fetch_blob;
pub(super) use client::Client;
pub(super) use image::{Image, find_image};

/// What whoever runs hoist says of registries.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    pub known: BTreeMap<RegistryName, KnownRegistry>,
    /// Programs that keep the logins of registries, and that hoist does not ask: for the words of who is not let in.
    pub helpers: BTreeMap<RegistryName, String>,
    /// The program that keeps all others.
    pub helper: Option<String>,
    /// Private networks to which registries may send on.
    pub allow_networks: Vec<(IpAddr, u8)>,
}

/// What is said of one.
#[derive(Debug, Clone, Default)]
pub struct KnownRegistry {
    /// Asked first, in this order.
    pub mirrors: Vec<Mirror>,
    pub login: Option<RegistryLogin>,
    /// Default: on this very host only.
    pub plain_http: Option<bool>,
}

/// Why an image can't be had from a registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("there is no such image at {0}")]
    NotFound(RegistryName),
    #[error("{registry} does not let hoist in{}: {advice}", in_quotes(.said))]
    Denied { registry: RegistryName, said: String, advice: String },
    #[error("{registry} answered {status}{}", in_quotes(.said))]
    Status { registry: RegistryName, status: u16, said: String },
    #[error("{registry} can't be asked: {error}")]
    Fetch { registry: RegistryName, error: FetchError },
    #[error("{registry} wants the login to be told to {realm}, which is neither encrypted nor its own address")]
    Realm { registry: RegistryName, realm: String },
    #[error("{registry} has sent something else than was asked for: it is {found}, and was to be {expected}")]
    Digest { registry: RegistryName, expected: Digest, found: Digest },
    #[error("{registry} has sent {sent} bytes of {part}, which has {expected}")]
    Length { registry: RegistryName, part: Digest, sent: u64, expected: u64 },
    #[error("{0}")]
    Unfit(Invalid),
    #[error("it is not for {wanted}, but for {}", .there.join(", "))]
    Platform { wanted: Platform, there: Vec<String> },
    #[error("what was fetched can't be kept")]
    Keep(#[source] std::io::Error),
    #[error("nobody waits for it any more")]
    Unwanted,
}

impl RegistryError {
    fn unfit(why: impl Into<String>) -> Self {
        Self::Unfit(Invalid(why.into()))
    }
}

/// A registry's own words, which may be none.
fn in_quotes(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(" (“{words}”)") }
}

/// Where the repository of an image may lie.
#[derive(Debug, Clone)]
pub(super) struct Place {
    registry: RegistryName,
    /// The folder of a mirror.
    repository: String,
    login: Option<RegistryLogin>,
    is_plain: bool,
    /// What keeps the login instead, for whom that may help.
    helper: Option<String>,
}

impl Place {
    /// The address of something in the repository.
    fn url(&self, path: &str) -> String {
        let scheme = if self.is_plain { "http" } else { "https" };
        format!("{scheme}://{}/v2/{}/{path}", self.registry.api_host(), self.repository)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)
    }
}

impl Registries {
    /// Where an image may lie, in the order of asking: the mirrors of its registry, and that itself.
    pub(super) fn places(&self, image: &ImageName) -> Vec<Place> {
        let mirrors = self.known.get(&image.registry).map(|known| known.mirrors.as_slice()).unwrap_or_default();
        let of_mirror = |mirror: &Mirror| {
            let folder = if mirror.folder.is_empty() { String::new() } else { format!("{}/", mirror.folder) };
            self.place(&mirror.registry, format!("{folder}{}", image.repository), Some(mirror.is_plain))
        };
        let own = self.place(&image.registry, image.repository.clone(), None);
        mirrors.iter().map(of_mirror).chain([own]).collect()
    }

    fn place(&self, registry: &RegistryName, repository: String, is_plain: Option<bool>) -> Place {
        let known = self.known.get(registry);
        let said = is_plain.or_else(|| known.and_then(|known| known.plain_http));
        Place {
            registry: registry.clone(),
            repository,
            login: known.and_then(|known| known.login.clone()),
            is_plain: said.unwrap_or_else(|| registry.is_loopback()),
            helper: self.helpers.get(registry).or(self.helper.as_ref()).cloned(),
        }
    }

    /// Bounds of what is fetched from a place, all of it together.
    fn bounds(&self, max_bytes: u64, time: Duration) -> crate::fetch::Bounds {
        crate::fetch::Bounds { allow_networks: self.allow_networks.clone(), max_bytes, time }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_asked_first_and_each_as_it_wants() {
        let mirrors = ["https://mirror.test/hub", "http://127.0.0.1:5000"].map(|text| text.parse().unwrap()).to_vec();
        let login = RegistryLogin::IdentityToken(crate::model::Secret::new("token"));
        let known = [
            ("docker.io", KnownRegistry { mirrors, ..KnownRegistry::default() }),
            ("mirror.test", KnownRegistry { login: Some(login), ..KnownRegistry::default() }),
            ("plain.test", KnownRegistry { plain_http: Some(true), ..KnownRegistry::default() }),
        ];
        let known = known.map(|(name, known)| (name.parse().unwrap(), known)).into();
        let registries = Registries { known, ..Registries::default() };
        let places = registries.places(&"ubuntu:24.04".parse().unwrap());
        let urls: Vec<_> = places.iter().map(|place| place.url("x")).collect();
        let expected = [
            "https://mirror.test/v2/hub/library/ubuntu/x",
            "http://127.0.0.1:5000/v2/library/ubuntu/x",
            "https://registry-1.docker.io/v2/library/ubuntu/x",
        ];
        assert_eq!(urls, expected);
        assert_eq!(places.iter().map(|place| place.login.is_some()).collect::<Vec<_>>(), [true, false, false]);
        let urls =
            ["plain.test/a", "localhost:1/a", "other.test/a"].map(|name| registries.places(&name.parse().unwrap())[0].url("x"));
        assert_eq!(urls, ["http://plain.test/v2/a/x", "http://localhost:1/v2/a/x", "https://other.test/v2/a/x"]);
    }
}
