//! A release of a slug as an image: the config and the manifest, byte for byte the same whenever they are asked for.
//!
//! The slug is a layer as it is (`slug::rewrite`): its entries stand below `./app/` and belong to the user `app`.

use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{descriptor, descriptor_of, to_json};
use crate::model::{
    APP_DIR, APP_USER_ID, AppName, DEFAULT_VARIABLES, Descriptor, Digest, LOAD_PROFILES, ManifestType, Packing, Platform,
    ProcessType, Release, Slug,
};

/// The stack that the image stands on: the one in use, whichever the slug was built on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageStack {
    /// Of the stack as a whole.
    pub digest: Digest,
    /// The lowest first.
    pub layers: Vec<StackLayer>,
    /// For which machines it is.
    pub platform: Platform,
    /// What the image sets that the stack was pulled from, and that image, by its name and its manifest's digest.
    pub env: BTreeMap<String, String>,
    pub base: Option<(String, Digest)>,
}

/// One of a stack's layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackLayer {
    /// Of the layer's blob.
    pub digest: Digest,
    pub diff_id: Digest,
    pub size_bytes: u64,
    pub packing: Packing,
}

/// A release's process type, to be run by any container engine.
#[derive(Debug, Clone, Copy)]
pub struct SlugImage<'a> {
    pub app: &'a AppName,
    pub release: &'a Release,
    pub slug: &'a Slug,
    pub process_type: &'a ProcessType,
    pub command: &'a str,
    pub stack: &'a ImageStack,
    /// Where the app's code is cloned from, if the installation has a public address.
    pub source: Option<&'a str>,
}

impl SlugImage<'_> {
    /// The image's config: how it is run. Config vars are no part of it.
    #[must_use]
    pub fn config(&self) -> Vec<u8> {
        let created = rfc3339(self.release.created_at);
        let step = |created_by: String| Step { created: created.clone(), created_by };
        let layers = self.stack.layers.iter();
        // A step for each layer: engines count them.
        let of_stack = layers.clone().map(|_| step(format!("stack {} {}", self.slug.stack, self.stack.digest)));
        to_json(&Config {
            architecture: &self.stack.platform.architecture,
            created: created.clone(),
            os: &self.stack.platform.os,
            variant: self.stack.platform.variant.as_deref(),
            execution: Execution {
                user: format!("{APP_USER_ID}:{APP_USER_ID}"),
                env: environment(&self.stack.env),
                entrypoint: vec!["bash".into(), "-c".into(), entrypoint(), "bash".into()],
                cmd: [self.command],
                working_dir: APP_DIR,
                labels: self.labels(&created),
            },
            rootfs: RootFs {
                kind: "layers",
                diff_ids: layers.map(|layer| layer.diff_id).chain([self.slug.content_digest]).collect(),
            },
            history: of_stack.chain([step(format!("slug {} of {} {}", self.slug.id, self.app, self.release.version))]).collect(),
        })
    }

    /// The manifest over a config, in OCI's form or Docker's.
    #[must_use]
    pub fn manifest(&self, media_type: ManifestType, config: &[u8]) -> Vec<u8> {
        let config_type = if media_type == ManifestType::DockerManifest {
            "application/vnd.docker.container.image.v1+json"
        } else {
            "application/vnd.oci.image.config.v1+json"
        };
        let of_stack = |layer: &StackLayer| descriptor(layer.packing.media_type(media_type), layer.digest, layer.size_bytes);
        let slug = descriptor(Packing::Gzip.media_type(media_type), self.slug.digest, self.slug.size_bytes);
        to_json(&Manifest {
            schema_version: 2,
            media_type: media_type.as_str(),
            config: descriptor_of(config_type, config),
            layers: self.stack.layers.iter().map(of_stack).chain([slug]).collect(),
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
            ("base.name", stack.base.as_ref().map(|(name, _)| name.clone())),
            ("base.digest", stack.base.as_ref().map(|(_, digest)| digest.to_string())),
        ];
        let own = [
            ("app", app.to_string()),
            ("release", release.version.to_string()),
            ("release.id", release.id.to_string()),
            ("process-type", process_type.to_string()),
            ("slug", slug.id.to_string()),
            ("stack", slug.stack.to_string()),
            ("stack.digest", stack.digest.to_string()),
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

/// What the stack's image sets wins over what is only a default. No `PORT`: whoever runs the image says it.
fn environment(of_stack: &BTreeMap<String, String>) -> Vec<String> {
    let set = |name: &str| of_stack.contains_key(name) || name == "HOME";
    let defaults = DEFAULT_VARIABLES.into_iter().filter(|(name, _)| !set(name));
    let own = of_stack.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let own = own.filter(|(name, _)| !["HOME", "PORT"].contains(name));
    defaults.chain(own).chain([("HOME", APP_DIR)]).map(|(name, value)| format!("{name}={value}")).collect()
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
    layers: Vec<Descriptor>,
}

#[derive(Serialize)]
struct Config<'a> {
    architecture: &'a str,
    created: String,
    os: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    #[serde(rename = "config")]
    execution: Execution<'a>,
    rootfs: RootFs,
    history: Vec<Step>,
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
    diff_ids: Vec<Digest>,
}

#[derive(Serialize)]
struct Step {
    created: String,
    created_by: String,
}

#[cfg(test)]
pub(super) mod tests;
