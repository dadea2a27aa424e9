//! Where an image comes from: an in-toto statement with SLSA's provenance (slsa.dev/spec/v1.0/provenance), signed in a
//! DSSE envelope.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::artifact::{Artifact, Parts, attach, cosign_tag};
use super::envelope::{STATEMENT_TYPE, seal};
use super::image::{SlugImage, rfc3339};
use super::sign::SigningKey;
use crate::model::{BuildId, BuildpackRef, BuildpackVersion, Descriptor, UsedBuildpack};

const ENVELOPE_TYPE: &str = "application/vnd.dsse.envelope.v1+json";
pub(super) const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";
/// What `externalParameters` mean: a release of a slug that buildpacks have built.
const BUILD_TYPE: &str = "urn:hoist:slug:v1";

/// What is known of how the slug came to be.
#[derive(Debug, Clone)]
pub struct Origin {
    /// None for a slug that was made elsewhere.
    pub build: Option<BuildOrigin>,
    /// The installation's public address, if it has one.
    pub builder: Option<String>,
}

/// The build that made the slug.
#[derive(Debug, Clone)]
pub struct BuildOrigin {
    pub id: BuildId,
    /// The buildpacks that were asked for; empty when they were found by what is in the code.
    pub buildpacks: Vec<BuildpackRef>,
    /// Those that it was made with.
    pub used: Vec<UsedBuildpack>,
    pub started_at: OffsetDateTime,
    pub ended_at: OffsetDateTime,
}

/// Attaches the provenance of an image to it.
#[must_use]
pub fn provenance(key: &SigningKey, image: &SlugImage<'_>, origin: &Origin, subject: &Descriptor) -> Artifact {
    // Cosign looks for both when it verifies an attestation; the signature is the envelope's.
    let annotations = [("dev.cosignproject.cosign/signature", ""), ("predicateType", PREDICATE_TYPE)];
    attach(
        subject,
        Parts {
            artifact_type: STATEMENT_TYPE,
            config: None,
            media_type: ENVELOPE_TYPE,
            content: seal(key, &statement(image, origin, subject)),
            annotations: annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            tag: Some(cosign_tag(subject, "att")),
        },
    )
}

fn statement(image: &SlugImage<'_>, origin: &Origin, subject: &Descriptor) -> Value {
    let SlugImage { app, release, slug, process_type, stack, .. } = image;
    let mut dependencies = vec![
        json!({ "name": "stack", "uri": format!("urn:hoist:stack:{}", slug.stack), "digest": { "sha256": stack.digest.hex() } }),
        json!({ "name": "slug", "uri": format!("urn:hoist:slug:{}", slug.id), "digest": { "sha256": slug.digest.hex() } }),
    ];
    if let Some(commit) = &slug.commit {
        let uri = image.source.map_or_else(|| format!("git+urn:hoist:app:{app}"), |source| format!("git+{source}"));
        dependencies.push(json!({ "name": "source", "uri": uri, "digest": { "gitCommit": commit.to_string() } }));
    }
    let build = origin.build.as_ref();
    dependencies.extend(build.iter().flat_map(|build| &build.used).filter_map(buildpack));
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": format!("{app}/{process_type}"), "digest": { "sha256": subject.digest.hex() } }],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "app": app.to_string(),
                    "release": release.version.to_string(),
                    "processType": process_type.to_string(),
                    "commit": slug.commit.as_ref().map(ToString::to_string),
                    "buildpacks": build.map(|build| build.buildpacks.iter().map(BuildpackRef::shown).collect::<Vec<_>>()),
                },
                "internalParameters": {
                    "language": slug.language,
                    "buildStackDigest": slug.stack_digest.to_string(),
                },
                "resolvedDependencies": dependencies,
            },
            "runDetails": {
                "builder": { "id": origin.builder.as_deref().unwrap_or("urn:hoist") },
                "metadata": {
                    "invocationId": build.map(|build| build.id.to_string()),
                    "startedOn": build.map(|build| rfc3339(build.started_at)),
                    "finishedOn": build.map(|build| rfc3339(build.ended_at)),
                },
            },
        },
    })
}

/// A buildpack, unless it is a folder of the app.
pub(super) fn buildpack(used: &UsedBuildpack) -> Option<Value> {
    let digest = match used.version.as_ref()? {
        BuildpackVersion::Commit(commit) => json!({ "gitCommit": commit.to_string() }),
        BuildpackVersion::Digest(digest) => json!({ "sha256": digest.hex() }),
    };
    let uri = match &used.buildpack {
        BuildpackRef::At(place) => place.shown(),
        named => format!("urn:buildpack:{named}"),
    };
    Some(json!({ "name": "buildpack", "uri": uri, "digest": digest }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::of_slug::image::tests::with_image;
    use crate::image::of_slug::{descriptor_of, open_envelope};
    use crate::model::ManifestType;

    #[test]
    fn the_statement_tells_commit_buildpacks_stack_and_build() {
        let at = OffsetDateTime::UNIX_EPOCH;
        let id = "00000000-0000-4000-8000-000000000000".parse().unwrap();
        let used = UsedBuildpack { buildpack: "heroku/python".parse().unwrap(), version: Some("7".repeat(40).parse().unwrap()) };
        let build = BuildOrigin {
            id,
            buildpacks: vec!["heroku/python".parse().unwrap()],
            used: vec![used],
            started_at: at,
            ended_at: at,
        };
        let origin = Origin { build: Some(build), builder: Some("https://hoist.example.com".into()) };
        let subject = descriptor_of(ManifestType::OciManifest.as_str(), b"image");
        let statement = with_image(|image| statement(image, &origin, &subject));
        insta::assert_snapshot!(serde_json::to_string_pretty(&statement).unwrap(), @r#"
        {
          "_type": "https://in-toto.io/Statement/v1",
          "predicate": {
            "buildDefinition": {
              "buildType": "urn:hoist:slug:v1",
              "externalParameters": {
                "app": "my-app",
                "buildpacks": [
                  "heroku/python"
                ],
                "commit": "0123456789012345678901234567890123456789",
                "processType": "web",
                "release": "v3"
              },
              "internalParameters": {
                "buildStackDigest": "sha256:0303030303030303030303030303030303030303030303030303030303030303",
                "language": "Python"
              },
              "resolvedDependencies": [
                {
                  "digest": {
                    "sha256": "0404040404040404040404040404040404040404040404040404040404040404"
                  },
                  "name": "stack",
                  "uri": "urn:hoist:stack:debian-12"
                },
                {
                  "digest": {
                    "sha256": "0101010101010101010101010101010101010101010101010101010101010101"
                  },
                  "name": "slug",
                  "uri": "urn:hoist:slug:00000000-0000-4000-8000-000000000000"
                },
                {
                  "digest": {
                    "gitCommit": "0123456789012345678901234567890123456789"
                  },
                  "name": "source",
                  "uri": "git+https://hoist.example.com/my-app.git"
                },
                {
                  "digest": {
                    "gitCommit": "7777777777777777777777777777777777777777"
                  },
                  "name": "buildpack",
                  "uri": "urn:buildpack:heroku/python"
                }
              ]
            },
            "runDetails": {
              "builder": {
                "id": "https://hoist.example.com"
              },
              "metadata": {
                "finishedOn": "1970-01-01T00:00:00Z",
                "invocationId": "00000000-0000-4000-8000-000000000000",
                "startedOn": "1970-01-01T00:00:00Z"
              }
            }
          },
          "predicateType": "https://slsa.dev/provenance/v1",
          "subject": [
            {
              "digest": {
                "sha256": "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d"
              },
              "name": "my-app/web"
            }
          ]
        }
        "#);
    }

    #[test]
    fn the_envelope_is_signed() {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::open(dir.path()).unwrap();
        let subject = descriptor_of(ManifestType::OciManifest.as_str(), b"image");
        let origin = Origin { build: None, builder: None };
        let made = with_image(|image| provenance(&key, image, &origin, &subject));
        let opened = open_envelope(&key.public_key_pem(), &made.blobs[1]).unwrap();
        assert_eq!(opened, with_image(|image| statement(image, &origin, &subject)));
    }
}
