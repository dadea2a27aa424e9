//! The daemon's registry over HTTP: manifests and blobs, each checked against its digest as it comes.

use std::io::{self, Read};

use anyhow::anyhow;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use ureq::Body;
use ureq::http::header::CONTENT_TYPE;
use ureq::http::{Response, StatusCode};

use super::client::{Client, read};
use super::error::CliError;
use crate::model::{Descriptor, Digest, ImageManifest, Repository};

/// A manifest as the registry has it.
pub(super) struct Manifest {
    pub(super) bytes: Vec<u8>,
    pub(super) digest: Digest,
    pub(super) media_type: String,
    pub(super) parsed: ImageManifest,
}

/// Gets the manifest that a tag or a digest names, in one of the forms accepted.
pub(super) fn manifest(client: &Client, repository: &Repository, reference: &str, accept: &str) -> Result<Manifest, CliError> {
    let path = format!("/v2/{repository}/manifests/{reference}");
    let response = get(client, &path, accept)?;
    let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut bytes = Vec::new();
    response.into_body().into_reader().take(ImageManifest::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    let digest = Digest::from_bytes(Sha256::digest(&bytes).into());
    if reference.parse::<Digest>().is_ok_and(|asked| asked != digest) {
        return Err(CliError::User(format!(
            "the manifest {reference} of {repository} came as {digest}: it was changed on its way"
        )));
    }
    let unread = |error| CliError::User(format!("the manifest of {repository} can't be read: {error}"));
    let parsed = ImageManifest::parse(&bytes, Some(&media_type)).map_err(unread)?;
    Ok(Manifest { bytes, digest, media_type, parsed })
}

/// Opens a blob. Reading it to its end fails unless it is what the descriptor says.
pub(super) fn blob(
    client: &Client,
    repository: &Repository,
    descriptor: &Descriptor,
) -> Result<Checked<impl Read + use<>>, CliError> {
    let path = format!("/v2/{repository}/blobs/{}", descriptor.digest);
    let response = get(client, &path, "*/*")?;
    Ok(Checked::new(response.into_body().into_reader(), descriptor))
}

/// Reads a small blob whole.
pub(super) fn small_blob(client: &Client, repository: &Repository, descriptor: &Descriptor) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    blob(client, repository, descriptor)?.read_to_end(&mut bytes).map_err(|error| anyhow!(error))?;
    Ok(bytes)
}

/// Gets something small that is JSON.
pub(super) fn json<T: DeserializeOwned>(client: &Client, path: &str) -> Result<T, CliError> {
    read(&mut get(client, path, "*/*")?)
}

fn get(client: &Client, path: &str, accept: &str) -> Result<Response<Body>, CliError> {
    let mut response = client.ask_registry(path, accept)?;
    refused(&mut response)?;
    Ok(response)
}

/// A registry says what is wrong in a form of its own (OCI Distribution, "Error Codes").
fn refused(response: &mut Response<Body>) -> Result<(), CliError> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<RegistryError>,
    }
    #[derive(Deserialize)]
    struct RegistryError {
        code: String,
        #[serde(default)]
        message: String,
    }
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let errors = response.body_mut().read_json::<Errors>().map(|body| body.errors).unwrap_or_default();
    let Some(RegistryError { code, message }) = errors.into_iter().next() else {
        return Err(CliError::User(format!("the registry answered {status}. Is HOIST_URL right?")));
    };
    match status {
        StatusCode::UNAUTHORIZED => Err(CliError::NotLoggedIn(format!("{message} Check HOIST_API_KEY or ~/.netrc."))),
        _ => Err(CliError::Api { id: code.to_ascii_lowercase(), message, resource: None }),
    }
}

/// What of a blob has come, and what it is to be.
pub(super) struct Checked<R> {
    inner: R,
    hash: Sha256,
    left_bytes: u64,
    digest: Digest,
}

impl<R> Checked<R> {
    fn new(inner: R, descriptor: &Descriptor) -> Self {
        Self { inner, hash: Sha256::new(), left_bytes: descriptor.size_bytes, digest: descriptor.digest }
    }

    fn wrong(&self, why: &str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, format!("the blob {} {why}", self.digest))
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(bytes)?;
        self.hash.update(&bytes[..length]);
        let Some(left_bytes) = self.left_bytes.checked_sub(length as u64) else {
            return Err(self.wrong("is longer than its manifest says"));
        };
        self.left_bytes = left_bytes;
        if length > 0 || bytes.is_empty() {
            return Ok(length);
        }
        if left_bytes > 0 {
            return Err(self.wrong("broke off"));
        }
        if Digest::from_bytes(self.hash.clone().finalize().into()) != self.digest {
            return Err(self.wrong("was changed on its way"));
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(came: &[u8], descriptor_of: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Checked::new(came, &crate::image::of_slug::descriptor_of("a/b", descriptor_of)).read_to_end(&mut bytes).map(|_| bytes)
    }

    #[test]
    fn a_blob_is_what_its_descriptor_says_or_an_error() {
        assert_eq!(read(b"blob", b"blob").unwrap(), b"blob");
        assert_eq!(read(b"", b"").unwrap(), b"");
        for (came, why) in [(&b"blib"[..], "was changed"), (b"blo", "broke off"), (b"blobs", "is longer")] {
            assert!(read(came, b"blob").unwrap_err().to_string().contains(why), "{why}");
        }
    }
}
