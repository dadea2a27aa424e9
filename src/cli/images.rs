//! hoist's registry of images, as the client names it and asks it (OCI Distribution, `/v2/`).

use ureq::http::Uri;

use super::client::Client;
use super::error::CliError;
use super::registry::{self, Manifest};
use crate::model::{Descriptor, Invalid, ManifestType, Repository};

/// On which images are pushed that are for no platform, such as the provenance that docker's builder adds.
const UNKNOWN: &str = "unknown";
/// What the registry answers where there is no image.
const MISSING: [&str; 2] = ["manifest_unknown", "name_unknown"];

/// The registry at the host that `HOIST_URL` names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Registry {
    /// `HOST:PORT` or `HOST`, as it begins the names of images.
    host: String,
    /// Whether it is reached without TLS.
    is_plain: bool,
    is_loopback: bool,
}

impl Registry {
    pub(super) fn of(client: &Client) -> Result<Self, CliError> {
        let url = client.url();
        let uri: Uri = url.parse().map_err(|_| CliError::User(format!("HOIST_URL is not a URL: {url}")))?;
        Ok(Self::at(&uri))
    }

    pub(super) fn at(uri: &Uri) -> Self {
        let host = uri.host().unwrap_or_default();
        let is_plain = uri.scheme_str() == Some("http");
        // A first part without a dot or a port would be taken for a folder of Docker Hub.
        let is_local = host == "localhost";
        let default = (!host.contains('.') && !is_local).then_some(if is_plain { 80 } else { 443 });
        let host_and_port = match uri.port_u16().or(default) {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Self { host: host_and_port, is_plain, is_loopback: is_local || host.starts_with("127.") || host == "[::1]" }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is on this machine and without TLS, which docker takes and podman must be told.
    pub(super) fn is_plain_loopback(&self) -> bool {
        self.is_plain && self.is_loopback
    }

    /// Whether docker and podman refuse it, unless their configuration names it.
    pub(super) fn is_plain_elsewhere(&self) -> bool {
        self.is_plain && !self.is_loopback
    }

    /// `HOST/APP/TYPE`; the type may have a tag.
    pub(super) fn image(&self, app: &str, process_type: &str) -> String {
        format!("{}/{app}/{process_type}", self.host)
    }
}

/// The id of the image that a tag names: the digest of its config, which is what a release is made from.
pub(super) fn image_id(client: &Client, app: &str, process_type: &str, tag: &str) -> Result<String, CliError> {
    let manifest = fetch(client, app, process_type, tag)?.parsed;
    if let Some(config) = manifest.config {
        return Ok(config.digest.to_string());
    }
    let is_for_a_platform = |image: &&Descriptor| image.platform.as_ref().is_none_or(|on| on.os != UNKNOWN);
    let [image] = manifest.manifests.iter().filter(is_for_a_platform).collect::<Vec<_>>()[..] else {
        return Err(CliError::User(format!(
            "{app}/{process_type}:{tag} has an image for each of several platforms. Push it for one: docker build --platform \
             linux/amd64 …"
        )));
    };
    let config = fetch(client, app, process_type, &image.digest.to_string())?.parsed.config;
    let config = config.ok_or_else(|| CliError::User(format!("{app}/{process_type}:{tag} is no image that can be run.")))?;
    Ok(config.digest.to_string())
}

/// The digest of the manifest that a tag names.
pub(super) fn manifest_digest(client: &Client, app: &str, process_type: &str, tag: &str) -> Result<String, CliError> {
    Ok(fetch(client, app, process_type, tag)?.digest.to_string())
}

fn fetch(client: &Client, app: &str, process_type: &str, reference: &str) -> Result<Manifest, CliError> {
    let repository: Repository = format!("{app}/{process_type}").parse().map_err(|Invalid(why)| CliError::User(why))?;
    let accept = ManifestType::ALL.map(ManifestType::as_str).join(", ");
    registry::manifest(client, &repository, reference, &accept).map_err(|error| match error {
        CliError::Api { id, .. } if MISSING.contains(&id.as_str()) => CliError::User(format!(
            "There is no image {repository}:{reference}. Push it with hoist container:push, and look at the app's name and the \
             process type."
        )),
        error => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> Registry {
        Registry::at(&url.parse().unwrap())
    }

    #[test]
    fn images_are_named_after_the_url_of_hoist() {
        for (url, image) in [
            ("http://127.0.0.1:5000", "127.0.0.1:5000/shop/web"),
            ("http://localhost", "localhost/shop/web"),
            ("https://hoist.example.com", "hoist.example.com/shop/web"),
            ("https://hoist.example.com:8443/", "hoist.example.com:8443/shop/web"),
            ("https://me@hoist.example.com", "hoist.example.com/shop/web"),
            ("https://hoist", "hoist:443/shop/web"),
            ("http://hoist", "hoist:80/shop/web"),
        ] {
            assert_eq!(at(url).image("shop", "web"), image);
        }
    }

    #[test]
    fn without_tls_only_this_machine_is_trusted() {
        for (url, loopback, elsewhere) in [
            ("http://127.0.0.1:5000", true, false),
            ("http://localhost:5000", true, false),
            ("http://hoist.example.com", false, true),
            ("https://hoist.example.com", false, false),
            ("https://localhost", false, false),
        ] {
            let registry = at(url);
            assert_eq!((registry.is_plain_loopback(), registry.is_plain_elsewhere()), (loopback, elsewhere), "{url}");
        }
    }
}
