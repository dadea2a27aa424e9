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
        oci_image: None,
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
    let layer = StackLayer { digest: digest(5), diff_id: digest(6), size_bytes: 5678, packing: Packing::Gzip };
    let stack = ImageStack {
        digest: digest(4),
        layers: vec![layer],
        platform: Platform::of_this_host(),
        env: BTreeMap::new(),
        base: None,
    };
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
    let config = with_image(|image| String::from_utf8(image.config()).unwrap());
    let config = config.replace(&Platform::of_this_host().architecture, "ARCH");
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
