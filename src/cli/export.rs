//! `hoist releases:export`: an image as one tar, in OCI's image layout or in the form that `docker save` writes.

use std::fs::Permissions;
use std::io::{self, IsTerminal as _, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::json;
use tar::{Builder, Header};

use super::client::Client;
use super::error::CliError;
use super::output::{Action, note};
use super::registry::{self, Manifest};
use super::release_image::Image;
use crate::model::{Descriptor, ManifestType, Repository};

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    image: Image,
    /// For `skopeo copy oci-archive:…` and `podman load`, or for `docker load`
    #[arg(long, value_enum, default_value_t = Format::Oci)]
    format: Format,
    /// File to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// OCI image layout
    Oci,
    /// As `docker save` writes it
    DockerArchive,
}

/// Where the parts of an image come from.
struct Source<'a> {
    client: &'a Client,
    repository: Repository,
    tag: String,
    manifest: Manifest,
}

pub(super) fn export(client: &Client, args: &Export) -> Result<(), CliError> {
    if args.output.is_none() && io::stdout().is_terminal() {
        return Err(CliError::User("An image is nothing to look at: name a file with -o, or pipe it to `docker load`.".into()));
    }
    let media_type = match args.format {
        Format::Oci => ManifestType::OciManifest,
        Format::DockerArchive => ManifestType::DockerManifest,
    };
    let (repository, tag) = (args.image.repository()?, args.image.tag());
    let manifest = registry::manifest(client, &repository, &tag, media_type.as_str())?;
    let source = Source { client, repository, tag, manifest };
    let Some(path) = &args.output else { return source.write(args.format, io::stdout().lock()) };
    let failed = || format!("can't write {}", path.display());
    // Whole or not at all.
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(dir).with_context(failed)?;
    source.write(args.format, io::BufWriter::new(file.as_file()))?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist(path).with_context(failed)?;
    note(&format!("Wrote {} to {}", source.name(), path.display()));
    Ok(())
}

impl Source<'_> {
    fn name(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }

    fn write(&self, format: Format, output: impl Write) -> Result<(), CliError> {
        let mut tar = Builder::new(output);
        match format {
            Format::Oci => self.write_layout(&mut tar)?,
            Format::DockerArchive => self.write_docker(&mut tar)?,
        }
        tar.into_inner()?.flush()?;
        Ok(())
    }

    /// OCI image specification, "Image Layout".
    fn write_layout(&self, tar: &mut Builder<impl Write>) -> Result<(), CliError> {
        let Manifest { bytes, digest, media_type, .. } = &self.manifest;
        small(tar, "oci-layout", &to_json(&json!({ "imageLayoutVersion": "1.0.0" })))?;
        let index = json!({
            "schemaVersion": 2,
            "mediaType": ManifestType::OciIndex.as_str(),
            "manifests": [{
                "mediaType": media_type,
                "digest": digest,
                "size": bytes.len(),
                "annotations": { "org.opencontainers.image.ref.name": self.tag },
            }],
        });
        small(tar, "index.json", &to_json(&index))?;
        small(tar, &format!("blobs/sha256/{}", digest.hex()), bytes)?;
        for part in self.manifest.parsed.children() {
            self.append(tar, &format!("blobs/sha256/{}", part.digest.hex()), part)?;
        }
        Ok(())
    }

    /// Docker Engine's "Image Tarball" (`moby/image/spec`): engines take layers that are compressed, too.
    fn write_docker(&self, tar: &mut Builder<impl Write>) -> Result<(), CliError> {
        let parsed = &self.manifest.parsed;
        let config = parsed.config.as_ref().context("the image has no config")?;
        let config_name = format!("{}.json", config.digest.hex());
        let layer_name = |layer: &Descriptor| format!("{}.tar.gz", layer.digest.hex());
        self.append(tar, &config_name, config)?;
        for layer in &parsed.layers {
            self.append(tar, &layer_name(layer), layer)?;
        }
        let layers: Vec<_> = parsed.layers.iter().map(layer_name).collect();
        small(tar, "manifest.json", &to_json(&json!([{ "Config": config_name, "RepoTags": [self.name()], "Layers": layers }])))
    }

    /// Streams a blob, which is checked as it comes.
    fn append(&self, tar: &mut Builder<impl Write>, name: &str, part: &Descriptor) -> Result<(), CliError> {
        let action = Action::start_bytes(&format!("Exporting {}", &part.digest.hex()[..12]), part.size_bytes);
        let blob = registry::blob(self.client, &self.repository, part)?;
        entry(tar, name, part.size_bytes, action.counting(blob)).with_context(|| format!("can't export {}", self.name()))?;
        action.done();
        Ok(())
    }
}

fn to_json(value: &serde_json::Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and numbers are JSON")
}

fn small(tar: &mut Builder<impl Write>, name: &str, bytes: &[u8]) -> Result<(), CliError> {
    Ok(entry(tar, name, bytes.len() as u64, bytes)?)
}

/// The same image gives the same bytes.
fn entry(tar: &mut Builder<impl Write>, name: &str, size_bytes: u64, content: impl Read) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(size_bytes);
    header.set_mode(0o644);
    header.set_mtime(0);
    tar.append_data(&mut header, name, content)
}
