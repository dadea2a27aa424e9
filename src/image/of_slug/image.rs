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
            config: Execution {
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
    config: Execution<'a>,
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
pub(super) mod tests {
    use super::*;
    use crate::model::{AccountId, AppId, ImageManifest, ReleaseId, ReleaseStatus, ReleaseVersion, SlugId};

    fn digest(number: u8) -> Digest {
        Digest::from_bytes([number; 32])
    }

    /// Hands an image over whose every part is known.
    pub(in crate::image::of_slug) fn with_image<T>(take: impl FnOnce(&SlugImage<'_>) -> T) -> T {
        let at = OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(1_700_000_000_500);
        let process_type: ProcessType = "web".parse().unwrap();
        let commit = Some("0123456789012345678901234567890123456789".parse().unwrap());
        let nil = "00000000-0000-4000-8000-000000000000";
        let (app, by, slug): (AppId, AccountId, SlugId) = (nil.parse().unwrap(), nil.parse().unwrap(), nil.parse().unwrap());
        let id: ReleaseId = nil.parse().unwrap();
        let release = Release {
            id,
            app,
            version: ReleaseVersion(3),
            description: "Deploy 01234567".into(),
            by,
            slug: Some(slug),
            build: None,
            commit: commit.clone(),
            addons: Vec::new(),
            status: ReleaseStatus::Succeeded,
            current: true,
            blocked: None,
            hash: digest(9),
            created_at: at,
            updated_at: at,
            has_command: false,
        };
        let slug = Slug {
            id: slug,
            app,
            digest: digest(1),
            content_digest: digest(2),
            size_bytes: 1234,
            stack: "debian-12".parse().unwrap(),
            stack_digest: digest(3),
            commit,
            process_types: [(process_type.clone(), "serve -p $PORT".to_owned())].into(),
            language: Some("Python".into()),
            created_at: at,
        };
        let stack = StackLayer { stack_digest: digest(4), digest: digest(5), diff_id: digest(6), size_bytes: 5678 };
        take(&SlugImage {
            app: &"my-app".parse().unwrap(),
            release: &release,
            slug: &slug,
            process_type: &process_type,
            command: "serve -p $PORT",
            stack: &stack,
            source: Some("https://hoist.example.com/my-app.git"),
        })
    }

    fn pretty(json: &[u8]) -> String {
        serde_json::to_string_pretty(&serde_json::from_slice::<serde_json::Value>(json).unwrap()).unwrap()
    }

    #[test]
    fn the_config_says_how_the_release_runs() {
        let config = String::from_utf8(with_image(|image| image.config())).unwrap();
        let config = config.replace(architecture(), "ARCH");
        insta::assert_snapshot!(pretty(config.as_bytes()), @r#"
        {
          "architecture": "ARCH",
          "config": {
            "Cmd": [
              "serve -p $PORT"
            ],
            "Entrypoint": [
              "bash",
              "-c",
              "hoist_command=(\"$@\"); set --\nset -a\nfor file in .profile.d/*.sh; do [ -r \"$file\" ] && . \"$file\"; done\n[ -r .profile ] && . ./.profile\nset +a\n[ \"${#hoist_command[@]}\" -ne 1 ] || hoist_command=(bash -c \"${hoist_command[0]}\")\nexec \"${hoist_command[@]}\"",
              "bash"
            ],
            "Env": [
              "PATH=/usr/local/bin:/usr/bin:/bin",
              "LANG=C.UTF-8",
              "HOME=/app"
            ],
            "Labels": {
              "hoist.app": "my-app",
              "hoist.process-type": "web",
              "hoist.release": "v3",
              "hoist.release.id": "00000000-0000-4000-8000-000000000000",
              "hoist.slug": "00000000-0000-4000-8000-000000000000",
              "hoist.stack": "debian-12",
              "hoist.stack.digest": "sha256:0404040404040404040404040404040404040404040404040404040404040404",
              "org.opencontainers.image.created": "2023-11-14T22:13:20Z",
              "org.opencontainers.image.revision": "0123456789012345678901234567890123456789",
              "org.opencontainers.image.source": "https://hoist.example.com/my-app.git",
              "org.opencontainers.image.title": "my-app/web",
              "org.opencontainers.image.version": "v3"
            },
            "User": "1000:1000",
            "WorkingDir": "/app"
          },
          "created": "2023-11-14T22:13:20Z",
          "history": [
            {
              "created": "2023-11-14T22:13:20Z",
              "created_by": "stack debian-12 sha256:0404040404040404040404040404040404040404040404040404040404040404"
            },
            {
              "created": "2023-11-14T22:13:20Z",
              "created_by": "slug 00000000-0000-4000-8000-000000000000 of my-app v3"
            }
          ],
          "os": "linux",
          "rootfs": {
            "diff_ids": [
              "sha256:0606060606060606060606060606060606060606060606060606060606060606",
              "sha256:0202020202020202020202020202020202020202020202020202020202020202"
            ],
            "type": "layers"
          }
        }
        "#);
    }

    #[test]
    fn the_manifest_names_the_stacks_layer_and_the_slugs_own_blob() {
        let manifest = with_image(|image| image.manifest(ManifestType::OciManifest, b"config"));
        insta::assert_snapshot!(pretty(&manifest), @r#"
        {
          "config": {
            "digest": "sha256:b79606fb3afea5bd1609ed40b622142f1c98125abcfe89a76a661b0e8e343910",
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "size": 6
          },
          "layers": [
            {
              "digest": "sha256:0505050505050505050505050505050505050505050505050505050505050505",
              "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
              "size": 5678
            },
            {
              "digest": "sha256:0101010101010101010101010101010101010101010101010101010101010101",
              "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
              "size": 1234
            }
          ],
          "mediaType": "application/vnd.oci.image.manifest.v1+json",
          "schemaVersion": 2
        }
        "#);
        let parsed = ImageManifest::parse(&manifest, None).unwrap();
        assert_eq!(parsed.layers.iter().map(|layer| layer.digest).collect::<Vec<_>>(), [digest(5), digest(1)]);
    }

    #[test]
    fn dockers_form_differs_in_its_media_types_only() {
        let [oci, docker] = [ManifestType::OciManifest, ManifestType::DockerManifest].map(|media_type| {
            let manifest = with_image(|image| image.manifest(media_type, b"config"));
            ImageManifest::parse(&manifest, Some(media_type.as_str())).unwrap()
        });
        let digests = |manifest: &ImageManifest| manifest.children().map(|child| child.digest).collect::<Vec<_>>();
        assert_eq!(digests(&oci), digests(&docker));
        assert!(docker.children().all(|child| child.media_type.starts_with("application/vnd.docker.")));
    }

    /// Runs the entrypoint in a folder with these files and returns what it writes.
    fn start(files: &[(&str, &str)], command: &[&str]) -> String {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        #[expect(clippy::disallowed_methods, reason = "stands in for a container engine")]
        let mut bash = std::process::Command::new("bash");
        bash.args(["-c", &entrypoint(), "bash"]).args(command).current_dir(dir.path()).env_clear();
        let output = bash.env("PATH", "/usr/bin:/bin").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn profiles_come_first_and_one_word_is_a_command_line() {
        let profiles = [(".profile.d/a.sh", "export A=a$#\n"), (".profile", "B=\"$A b\"\n")];
        assert_eq!(start(&profiles, &["echo $A && echo \"$B\""]), "a0\na0 b\n");
        assert_eq!(start(&profiles, &["printf", "%s.", "$A", "two words"]), "$A.two words.");
        assert_eq!(start(&profiles, &["printenv A"]), "a0\n");
    }

    #[test]
    fn the_process_takes_the_shells_place() {
        let parent = "sh -c 'grep -c . /proc/$PPID/cmdline; tr \"\\0\" \" \" </proc/$$/cmdline'";
        assert!(start(&[], &[parent]).contains("sh -c grep"), "the command itself");
        let own_id = start(&[(".profile", "SHELL_ID=$BASHPID\n")], &["sh -c 'test $$ = '$SHELL_ID' && echo same'"]);
        assert_eq!(own_id, "same\n");
    }
}
