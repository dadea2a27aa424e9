//! A release of a slug as an image: the config and the manifest, byte for byte the same whenever they are asked for.
//!
//! The slug is a layer as it is (`slug::rewrite`): its entries stand below `./app/` and belong to the user `app`.

use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{descriptor, descriptor_of, to_json};
use crate::model::{
    APP_DIR, APP_USER_ID, AppName, DEFAULT_VARIABLES, Descriptor, Digest, LOAD_PROFILES, ManifestType, ProcessType, Release, Slug,
};

/// The stack that the image stands on: the one in use, whichever the slug was built on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackLayer {
    /// Of the stack as a whole.
    pub stack_digest: Digest,
    /// Of the layer's blob.
    pub digest: Digest,
    pub diff_id: Digest,
    pub size_bytes: u64,
}

/// A release's process type, to be run by any container engine.
#[derive(Debug, Clone, Copy)]
pub struct SlugImage<'a> {
    pub app: &'a AppName,
    pub release: &'a Release,
    pub slug: &'a Slug,
    pub process_type: &'a ProcessType,
    pub command: &'a str,
    pub stack: &'a StackLayer,
    /// Where the app's code is cloned from, if the installation has a public address.
    pub source: Option<&'a str>,
}

impl SlugImage<'_> {
    /// The image's config: how it is run. Config vars are no part of it.
    #[must_use]
    pub fn config(&self) -> Vec<u8> {
        let created = rfc3339(self.release.created_at);
        let step = |created_by: String| Step { created: created.clone(), created_by };
        to_json(&Config {
            architecture: architecture(),
            created: created.clone(),
            os: "linux",
            execution: Execution {
                user: format!("{APP_USER_ID}:{APP_USER_ID}"),
                env: environment(),
                entrypoint: vec!["bash".into(), "-c".into(), entrypoint(), "bash".into()],
                cmd: [self.command],
                working_dir: APP_DIR,
                labels: self.labels(&created),
            },
            rootfs: RootFs { kind: "layers", diff_ids: [self.stack.diff_id, self.slug.content_digest] },
            history: [
                step(format!("stack {} {}", self.slug.stack, self.stack.stack_digest)),
                step(format!("slug {} of {} {}", self.slug.id, self.app, self.release.version)),
            ],
        })
    }

    /// The manifest over a config, in OCI's form or Docker's.
    #[must_use]
    pub fn manifest(&self, media_type: ManifestType, config: &[u8]) -> Vec<u8> {
        let (config_type, layer_type) = if media_type == ManifestType::DockerManifest {
            ("application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip")
        } else {
            ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip")
        };
        to_json(&Manifest {
            schema_version: 2,
            media_type: media_type.as_str(),
            config: descriptor_of(config_type, config),
            layers: [
                descriptor(layer_type, self.stack.digest, self.stack.size_bytes),
                descriptor(layer_type, self.slug.digest, self.slug.size_bytes),
            ],
        })
    }

    /// OCI's annotation keys, and hoist's own.
    fn labels(&self, created: &str) -> BTreeMap<String, String> {
        let Self { app, release, slug, process_type, stack, .. } = self;
        let oci = [
            ("created", Some(created.to_owned())),
            ("title", Some(format!("{app}/{process_type}"))),
            ("version", Some(release.version.to_string())),
            ("revision", slug.commit.as_ref().map(ToString::to_string)),
            ("source", self.source.map(str::to_owned)),
        ];
        let own = [
            ("app", app.to_string()),
            ("release", release.version.to_string()),
            ("release.id", release.id.to_string()),
            ("process-type", process_type.to_string()),
            ("slug", slug.id.to_string()),
            ("stack", slug.stack.to_string()),
            ("stack.digest", stack.stack_digest.to_string()),
        ];
        let oci = oci.into_iter().filter_map(|(key, value)| Some((format!("org.opencontainers.image.{key}"), value?)));
        oci.chain(own.map(|(key, value)| (format!("hoist.{key}"), value))).collect()
    }
}

/// One word is a command line, as in a Procfile; several are a program and its arguments (`docker run IMAGE ls -l`). Either
/// takes the shell's place, so that it gets the engine's signals; that of `a && b` can't, which is bash's then.
///
/// What the profiles set is there for the command line also if they do not export it, as in hoist's own sandbox.
fn entrypoint() -> String {
    format!(
        r#"hoist_command=("$@"); set --
set -a
{LOAD_PROFILES}set +a
[ "${{#hoist_command[@]}}" -ne 1 ] || hoist_command=(bash -c "${{hoist_command[0]}}")
exec "${{hoist_command[@]}}""#
    )
}

/// No `PORT`: whoever runs the image says it.
fn environment() -> Vec<String> {
    let home = ("HOME", APP_DIR);
    DEFAULT_VARIABLES.into_iter().chain([home]).map(|(name, value)| format!("{name}={value}")).collect()
}

/// Of this host, in Go's words (OCI image specification, "Image Configuration"): stacks are made for it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// To the second, which is what every engine reads.
pub(super) fn rfc3339(at: OffsetDateTime) -> String {
    let seconds = at.replace_nanosecond(0).unwrap_or(at);
    seconds.format(&Rfc3339).expect("a time of this millennium can be written")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: [Descriptor; 2],
}

#[derive(Serialize)]
struct Config<'a> {
    architecture: &'static str,
    created: String,
    os: &'static str,
    #[serde(rename = "config")]
    execution: Execution<'a>,
    rootfs: RootFs,
    history: [Step; 2],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Execution<'a> {
    user: String,
    env: Vec<String>,
    entrypoint: Vec<String>,
    cmd: [&'a str; 1],
    working_dir: &'static str,
    labels: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: [Digest; 2],
}

#[derive(Serialize)]
struct Step {
    created: String,
    created_by: String,
}

#[cfg(test)]
pub(super) mod tests;
