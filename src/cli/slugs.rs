//! `hoist slugs:sbom`, `slugs:provenance`, `slugs:verify`: what is said of a slug, and whether it is true.

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::client::Client;
use super::error::CliError;
use super::output::{self, print, print_json};
use super::releases;
use super::target::{Target, encode};
use crate::api::types::Slug;
use crate::image::of_slug::{key_digest, open_envelope, slug_of_statement};
use crate::model::{Digest, ReleaseVersion, SlugId};

/// How much of a slug is in memory at a time.
const PIECE_BYTES: usize = 64 * 1024;

#[derive(Debug, Subcommand)]
#[expect(clippy::doc_markdown, reason = "clap prints these as they are")]
pub(super) enum Slugs {
    /// Print which packages are in a slug and its stack, as CycloneDX
    #[command(name = "slugs:sbom")]
    Sbom(Which),
    /// Print where a slug comes from, as a signed in-toto statement
    #[command(name = "slugs:provenance")]
    Provenance(Which),
    /// Download a slug and prove that it, and the list of its packages, are what this installation has made
    #[command(name = "slugs:verify")]
    Verify(Verify),
}

/// Which slug is meant.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Version of a release, or id of a slug [default: the newest release]
    slug: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    which: Which,
    /// PEM file of the public key [default: as the installation says]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

impl Slugs {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::Sbom(which) => show(&client.document(&format!("{}/sbom", which.path(&client)?))?),
            Self::Provenance(which) => show(&client.document(&format!("{}/provenance", which.path(&client)?))?),
            Self::Verify(args) => verify(&client, &args),
        }
    }
}

/// Prints JSON for people.
fn show(document: &[u8]) -> Result<(), CliError> {
    print_json(&serde_json::from_slice::<Value>(document).context("hoist's answer is no JSON")?)
}

impl Which {
    /// The slug's path in the API.
    fn path(&self, client: &Client) -> Result<String, CliError> {
        let app = self.target.path()?;
        let id = match &self.slug {
            Some(slug) if slug.parse::<ReleaseVersion>().is_err() => encode(slug),
            version => slug_of(client, &app, version.as_deref())?.to_string(),
        };
        Ok(format!("{app}/slugs/{id}"))
    }
}

fn slug_of(client: &Client, app: &str, version: Option<&str>) -> Result<SlugId, CliError> {
    let release = releases::find(client, &format!("{app}/releases"), version)?;
    let slug = release.slug.map(|slug| slug.id);
    slug.ok_or_else(|| CliError::User(format!("Release v{} has no slug.", release.version)))
}

fn verify(client: &Client, args: &Verify) -> Result<(), CliError> {
    let key = match &args.key {
        Some(path) => fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?,
        None => client.signing_key()?,
    };
    let path = args.which.path(client)?;
    let slug: Slug = client.get(&path)?;
    let statement = signed_statement(client, &path, &key)?;
    let digest = digest_of(client.stream(&slug.blob.url)?)?;
    check_subject(&slug, &digest, &statement)?;
    check_list(client, &path, &statement)?;
    if args.json {
        let told = serde_json::json!({ "slug": slug.id, "digest": digest, "verified": true, "statement": statement });
        return print_json(&told);
    }
    let key = key_digest(&key).map_err(|error| CliError::User(error.to_string()))?;
    let pinned = if args.key.is_some() { "the given key" } else { "the installation's key; pin it with --key" };
    let signed = format!("{key} ({pinned})");
    print(&(format!("Slug {} is what this key's owner has built.\n\n", slug.id) + &proved(&slug, &digest, signed, &statement)))
}

/// What the statement says, now that it is known whose it is.
fn proved(slug: &Slug, digest: &Digest, signed: String, statement: &Value) -> String {
    let predicate = &statement["predicate"];
    let asked = &predicate["buildDefinition"]["externalParameters"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let buildpacks: Vec<_> = asked["buildpacks"].as_array().into_iter().flatten().map(text).collect();
    let run = &predicate["runDetails"];
    let fields = [
        ("Bytes", format!("{digest} ({})", output::size(slug.size.unwrap_or_default()))),
        ("Signed with", signed),
        ("App", text(&asked["app"])),
        ("Commit", text(&asked["commit"])),
        ("Stack", text(&asked["stack"])),
        ("Buildpacks", buildpacks.join(", ")),
        ("Build", text(&run["metadata"]["invocationId"])),
        ("Builder", text(&run["builder"]["id"])),
        ("When", text(&run["metadata"]["finishedOn"])),
    ];
    output::fields(fields.into_iter().filter(|(_, value)| !value.is_empty()))
}

fn signed_statement(client: &Client, path: &str, key: &str) -> Result<Value, CliError> {
    let envelope = match client.document(&format!("{path}/provenance")) {
        Err(CliError::Api { resource, .. }) if resource.as_deref() == Some("provenance") => {
            let text = "There is no statement about this slug, so that nothing can be proved: it was uploaded, or built before \
                        hoist signed what it builds.";
            return Err(CliError::User(text.into()));
        }
        answer => answer?,
    };
    let opened = open_envelope(key, &envelope);
    opened.map_err(|error| CliError::User(format!("The statement about this slug proves nothing: {error}.")))
}

/// Whether it is this very slug that the statement is about, by its id and by the bytes that came.
fn check_subject(slug: &Slug, digest: &Digest, statement: &Value) -> Result<(), CliError> {
    let refuse = |text: String| Err(CliError::User(text));
    match slug_of_statement(statement) {
        None => refuse("The statement is signed with this key, but is not about a slug.".into()),
        Some((id, _)) if id != slug.id => refuse(format!("The statement is about another slug, {id}.")),
        Some((_, named)) if named != *digest => {
            refuse(format!("The slug is not what was built: its bytes are {digest}, and those that were built are {named}."))
        }
        Some(_) => Ok(()),
    }
}

/// Whether the list of packages is the one that was made with the slug.
fn check_list(client: &Client, path: &str, statement: &Value) -> Result<(), CliError> {
    let list = client.document(&format!("{path}/sbom"))?;
    let digest = Digest::from_bytes(Sha256::digest(&list).into());
    if statement["predicate"]["runDetails"]["byproducts"][0]["digest"]["sha256"] == digest.hex() {
        return Ok(());
    }
    Err(CliError::User("The list of the slug's packages (`slugs:sbom`) is not the one that was made with it.".into()))
}

/// Hashes as it comes: a slug need not fit into memory, nor onto the disk.
fn digest_of(mut bytes: impl Read) -> Result<Digest, CliError> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match bytes.read(&mut piece).context("the slug did not come to its end")? {
            0 => return Ok(Digest::from_bytes(hasher.finalize().into())),
            length => hasher.update(&piece[..length]),
        }
    }
}
