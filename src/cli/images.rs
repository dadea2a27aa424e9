//! hoist's registry of images, as the client names it and asks it (OCI Distribution, `/v2/`).

use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::http::{StatusCode, Uri};

use super::client::Client;
use super::error::CliError;
use super::target::encode;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// On which images are pushed that are for no platform, such as the provenance that docker's builder adds.
const UNKNOWN: &str = "unknown";

/// The registry at the host that `HOIST_URL` names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Registry {
    /// `HOST:PORT` or `HOST`, as it begins the names of images.
    host: String,
    /// Whether it is reached without TLS.
    is_plain: bool,
    is_loopback: bool,
}

/// What the client reads of a manifest or an index.
#[derive(Debug, Deserialize)]
struct Manifest {
    config: Option<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
struct Descriptor {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Debug, Deserialize)]
struct Platform {
    os: String,
}

/// The body of a refusal.
#[derive(Debug, Deserialize)]
struct Refusal {
    errors: Vec<RefusalCause>,
}

#[derive(Debug, Deserialize)]
struct RefusalCause {
    code: String,
    #[serde(default)]
    message: String,
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
    let (manifest, _): (Manifest, _) = fetch(client, app, process_type, tag)?;
    if let Some(config) = manifest.config {
        return Ok(config.digest);
    }
    let images = manifest.manifests.iter().filter(|image| image.platform.as_ref().is_none_or(|on| on.os != UNKNOWN));
    let [image] = images.collect::<Vec<_>>()[..] else {
        return Err(CliError::User(format!(
            "{app}/{process_type}:{tag} has an image for each of several platforms. Push it for one: docker build --platform \
             linux/amd64 …"
        )));
    };
    let (manifest, _): (Manifest, _) = fetch(client, app, process_type, &image.digest)?;
    let config = manifest.config.map(|config| config.digest);
    config.ok_or_else(|| CliError::User(format!("{app}/{process_type}:{tag} is no image that can be run.")))
}

/// The digest of the manifest that a tag names.
pub(super) fn manifest_digest(client: &Client, app: &str, process_type: &str, tag: &str) -> Result<String, CliError> {
    let (_, digest): (Manifest, _) = fetch(client, app, process_type, tag)?;
    digest.ok_or_else(|| CliError::User("The registry does not say which manifest that is. Is HOIST_URL right?".into()))
}

/// A manifest, and the digest that the registry says it has.
fn fetch<T: DeserializeOwned>(
    client: &Client,
    app: &str,
    process_type: &str,
    reference: &str,
) -> Result<(T, Option<String>), CliError> {
    let accept = [OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_LIST].join(", ");
    // The colon of a digest may stand in a path as it is.
    let path = format!("/v2/{}/{}/manifests/{reference}", encode(app), encode(process_type));
    let mut response = client.get_as_registry(&path, &accept)?;
    let status = response.status();
    if !status.is_success() {
        let refusal = response.body_mut().read_json().ok();
        return Err(refused(status, refusal, &format!("{app}/{process_type}:{reference}")));
    }
    let digest = response.headers().get("docker-content-digest").and_then(|digest| digest.to_str().ok()).map(str::to_owned);
    let manifest = response.body_mut().read_json();
    let manifest = manifest.map_err(|error| CliError::User(format!("The registry's answer can't be read: {error}")))?;
    Ok((manifest, digest))
}

fn refused(status: StatusCode, refusal: Option<Refusal>, image: &str) -> CliError {
    let cause = refusal.and_then(|refusal| refusal.errors.into_iter().next());
    let Some(RefusalCause { code, message }) = cause else {
        return CliError::User(format!("The registry answered {status}, and not as hoist's does. Is HOIST_URL right?"));
    };
    match status {
        StatusCode::UNAUTHORIZED => CliError::NotLoggedIn(format!("{message} Check HOIST_API_KEY or ~/.netrc.")),
        StatusCode::NOT_FOUND => CliError::User(format!(
            "There is no image {image}. Push it with hoist container:push, and look at the app's name and the process type."
        )),
        _ => CliError::Api { id: code.to_lowercase(), message, resource: None },
    }
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
