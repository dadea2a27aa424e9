//! `hoist releases:export`, `releases:verify-image`, `releases:sbom`, `releases:provenance`, `releases:signing-key`: a release as
//! an image, and what is attached to it.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::{Args, Subcommand};
use serde::Deserialize;

use super::client::Client;
use super::error::CliError;
use super::export::{self, Export};
use super::output::{print, print_json};
use super::registry::{self, Manifest};
use super::target::Target;
use crate::image::of_slug::{self, SIGNATURE_KEY};
use crate::model::{ManifestType, ProcessType, ReleaseVersion, Repository};

#[derive(Debug, Subcommand)]
#[expect(clippy::doc_markdown, reason = "clap prints these as they are")]
pub(super) enum ReleaseImage {
    /// Write a release as an image that any container engine loads
    #[command(name = "releases:export")]
    Export(Export),
    /// Check that the image of a release is signed by this installation
    #[command(name = "releases:verify-image")]
    Verify(Verify),
    /// Print which packages are in the image of a release, as CycloneDX
    #[command(name = "releases:sbom")]
    Sbom(Image),
    /// Print where the image of a release comes from, as an in-toto statement
    #[command(name = "releases:provenance")]
    Provenance(Image),
    /// Print the public key of the images' signatures
    #[command(name = "releases:signing-key")]
    SigningKey,
}

/// Which image is meant.
#[derive(Debug, Args)]
pub(super) struct Image {
    /// Version of the release [default: the current one]
    version: Option<ReleaseVersion>,
    /// Process type
    #[arg(short = 't', long = "type", value_name = "TYPE", default_value = "web")]
    process_type: ProcessType,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    image: Image,
    /// PEM file of the public key [default: as the installation says]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

impl Image {
    pub(super) fn repository(&self) -> Result<Repository, CliError> {
        let app = self.target.app()?.parse().map_err(|error| CliError::User(format!("{error}")))?;
        Ok(Repository { app, process_type: self.process_type.clone() })
    }

    pub(super) fn tag(&self) -> String {
        self.version.map_or_else(|| "current".to_owned(), |version| version.to_string())
    }

    /// The image's own manifest.
    fn manifest(&self, client: &Client) -> Result<(Repository, Manifest), CliError> {
        let repository = self.repository()?;
        let manifest = registry::manifest(client, &repository, &self.tag(), ManifestType::OciManifest.as_str())?;
        Ok((repository, manifest))
    }
}

impl ReleaseImage {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::Export(args) => export::export(&client, &args),
            Self::Verify(args) => verify(&client, &args),
            Self::Sbom(args) => text(&attached(&client, &args, of_slug::SBOM_TYPE)?),
            Self::Provenance(args) => provenance(&client, &args),
            Self::SigningKey => print(&client.signing_key()?),
        }
    }
}

fn verify(client: &Client, args: &Verify) -> Result<(), CliError> {
    let key = match &args.key {
        Some(path) => fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?,
        None => client.signing_key()?,
    };
    let (repository, manifest) = args.image.manifest(client)?;
    let digest = manifest.digest;
    let unsigned = || CliError::User(format!("{repository}@{digest} is not signed with this key."));
    let tag = format!("sha256-{}.sig", digest.hex());
    let signature = registry::manifest(client, &repository, &tag, ManifestType::OciManifest.as_str())?;
    let layer = signature.parsed.layers.first().ok_or_else(unsigned)?;
    let payload = registry::small_blob(client, &repository, layer)?;
    let signature = layer.annotations.get(SIGNATURE_KEY).ok_or_else(unsigned)?;
    if !of_slug::verify(&key, &payload, signature, &digest).map_err(|error| CliError::User(error.to_string()))? {
        return Err(unsigned());
    }
    if args.json {
        return print_json(&serde_json::json!({ "image": repository.to_string(), "digest": digest, "verified": true }));
    }
    print(&format!("{repository}@{digest} is signed by this key.\n"))
}

fn provenance(client: &Client, args: &Image) -> Result<(), CliError> {
    #[derive(Deserialize)]
    struct Envelope {
        payload: String,
    }
    let envelope = attached(client, args, of_slug::PROVENANCE_TYPE)?;
    let envelope: Envelope = serde_json::from_slice(&envelope).context("the provenance is no DSSE envelope")?;
    text(&BASE64_STANDARD.decode(envelope.payload).context("the provenance is not base64")?)
}

/// What of this type is attached to the image.
fn attached(client: &Client, args: &Image, artifact_type: &str) -> Result<Vec<u8>, CliError> {
    #[derive(Deserialize)]
    struct Index {
        manifests: Vec<crate::model::Descriptor>,
    }
    let (repository, manifest) = args.manifest(client)?;
    let path = format!("/v2/{repository}/referrers/{}", manifest.digest);
    let index: Index = registry::json(client, &path)?;
    let found = index.manifests.iter().find(|found| found.artifact_type.as_deref() == Some(artifact_type));
    let found = found.ok_or_else(|| CliError::User(format!("{repository}@{} has none.", manifest.digest)))?;
    let attached = registry::manifest(client, &repository, &found.digest.to_string(), ManifestType::OciManifest.as_str())?;
    let layer = attached.parsed.layers.first().context("what is attached to the image is empty")?;
    registry::small_blob(client, &repository, layer)
}

/// Prints JSON for people.
fn text(json: &[u8]) -> Result<(), CliError> {
    print_json(&serde_json::from_slice::<serde_json::Value>(json).context("this is no JSON")?)
}
