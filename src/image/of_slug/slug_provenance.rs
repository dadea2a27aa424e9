//! Where a slug comes from: SLSA's provenance (slsa.dev/spec/v1.0/provenance) of the build that made it, signed when it ends.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::envelope::seal;
use super::image::rfc3339;
use super::provenance::{PREDICATE_TYPE, buildpack};
use super::sign::SigningKey;
use crate::model::{AccountId, AppName, BuildId, CommitId, Digest, Slug, SlugId, UsedBuildpack};

/// What `externalParameters` mean: buildpacks have built a commit or an archive.
const BUILD_TYPE: &str = "urn:hoist:build:v1";

/// A slug and the build that made it.
#[derive(Debug, Clone)]
pub struct SlugOrigin<'a> {
    pub app: &'a AppName,
    pub slug: &'a Slug,
    pub build: BuildId,
    /// Who deployed it. By id alone: whoever verifies a slug need not learn an e-mail address.
    pub account: AccountId,
    pub code: Code,
    /// The installation's public address, if it has one.
    pub builder: Option<&'a str>,
    /// Those that have compiled, in their order.
    pub buildpacks: &'a [UsedBuildpack],
    /// What the pusher asked for, without values of config vars.
    pub options: Vec<String>,
    pub sbom: &'a Digest,
    pub started_at: OffsetDateTime,
    pub ended_at: OffsetDateTime,
}

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// Of the repository at a URI such as `git+https://HOST/PATH`.
    Commit { repository: String, id: CommitId },
    /// Its digest, if somebody has told it. Which commit its author calls it is no proof of anything.
    Archive(Option<Digest>),
}

impl Code {
    fn resource(&self) -> Option<Value> {
        match self {
            Self::Commit { repository, id } => {
                Some(json!({ "name": "source", "uri": repository, "digest": { "gitCommit": id.to_string() } }))
            }
            Self::Archive(digest) => digest.map(|digest| json!({ "name": "source", "digest": { "sha256": digest.hex() } })),
        }
    }
}

/// Signs what is known of a slug's origin, in a DSSE envelope.
#[must_use]
pub fn slug_provenance(key: &SigningKey, origin: &SlugOrigin<'_>) -> Vec<u8> {
    seal(key, &statement(origin))
}

/// The slug that a statement is about, by its id and its bytes; `None` when it is not about a slug.
#[must_use]
pub fn slug_of_statement(statement: &Value) -> Option<(SlugId, Digest)> {
    if statement["predicateType"] != PREDICATE_TYPE || statement["predicate"]["buildDefinition"]["buildType"] != BUILD_TYPE {
        return None;
    }
    let [subject] = statement["subject"].as_array()?.as_slice() else { return None };
    let id = statement["predicate"]["buildDefinition"]["internalParameters"]["slug"].as_str()?;
    let digest = format!("sha256:{}", subject["digest"]["sha256"].as_str()?);
    Some((id.parse().ok()?, digest.parse().ok()?))
}

fn statement(origin: &SlugOrigin<'_>) -> Value {
    let SlugOrigin { app, slug, .. } = origin;
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": app.to_string(), "digest": { "sha256": slug.digest.hex() } }],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "app": app.to_string(),
                    "commit": slug.commit.as_ref().map(ToString::to_string),
                    "stack": slug.stack.to_string(),
                    "buildpacks": origin.buildpacks.iter().map(|used| used.buildpack.to_string()).collect::<Vec<_>>(),
                    "options": origin.options,
                },
                "internalParameters": {
                    "account": origin.account.to_string(),
                    "contentDigest": slug.content_digest.to_string(),
                    "language": slug.language,
                    "slug": slug.id.to_string(),
                },
                "resolvedDependencies": dependencies(origin),
            },
            "runDetails": {
                "builder": { "id": origin.builder.unwrap_or("urn:hoist"), "version": { "hoist": env!("CARGO_PKG_VERSION") } },
                "metadata": {
                    "invocationId": origin.build.to_string(),
                    "startedOn": rfc3339(origin.started_at),
                    "finishedOn": rfc3339(origin.ended_at),
                },
                "byproducts": [{ "name": "sbom", "digest": { "sha256": origin.sbom.hex() } }],
            },
        },
    })
}

/// What the build was made of: its stack, its code, and the buildpacks that are not part of the code.
fn dependencies(origin: &SlugOrigin<'_>) -> Vec<Value> {
    let SlugOrigin { slug, code, buildpacks, .. } = origin;
    let stack = json!({
        "name": "stack",
        "uri": format!("urn:hoist:stack:{}", slug.stack),
        "digest": { "sha256": slug.stack_digest.hex() },
    });
    [stack].into_iter().chain(code.resource()).chain(buildpacks.iter().filter_map(buildpack)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::of_slug::image::tests::with_image;
    use crate::image::of_slug::open_envelope;

    #[test]
    fn the_statement_names_the_slug_and_all_that_it_was_made_of() {
        let nil = "00000000-0000-4000-8000-000000000000";
        let buildpacks = [
            UsedBuildpack { buildpack: "heroku/python".parse().unwrap(), version: Some("7".repeat(40).parse().unwrap()) },
            UsedBuildpack { buildpack: "./pack".parse().unwrap(), version: None },
        ];
        let key = SigningKey::open(tempfile::tempdir().unwrap().path()).unwrap();
        let made = with_image(|image| {
            let origin = SlugOrigin {
                app: image.app,
                slug: image.slug,
                build: nil.parse().unwrap(),
                account: nil.parse().unwrap(),
                code: Code::Commit { repository: "git+urn:hoist:app:my-app".into(), id: image.slug.commit.clone().unwrap() },
                builder: Some("https://hoist.example.com"),
                buildpacks: &buildpacks,
                options: vec!["strict".into(), "config:KEY".into()],
                sbom: &Digest::from_bytes([8; 32]),
                started_at: OffsetDateTime::UNIX_EPOCH,
                ended_at: OffsetDateTime::UNIX_EPOCH,
            };
            slug_provenance(&key, &origin)
        });
        let statement = open_envelope(&key.public_key_pem(), &made).unwrap();
        assert_eq!(slug_of_statement(&statement), Some((nil.parse().unwrap(), Digest::from_bytes([1; 32]))));
        let definition = &statement["predicate"]["buildDefinition"];
        assert_eq!(definition["externalParameters"]["buildpacks"], json!(["heroku/python", "./pack"]));
        assert_eq!(definition["externalParameters"]["options"], json!(["strict", "config:KEY"]));
        let dependencies: Vec<_> = definition["resolvedDependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| format!("{} {}", one["uri"], one["digest"]))
            .collect();
        assert_eq!(
            dependencies,
            [
                format!(r#""urn:hoist:stack:debian-12" {{"sha256":"{}"}}"#, "03".repeat(32)),
                r#""git+urn:hoist:app:my-app" {"gitCommit":"0123456789012345678901234567890123456789"}"#.to_owned(),
                format!(r#""urn:buildpack:heroku/python" {{"gitCommit":"{}"}}"#, "7".repeat(40)),
            ]
        );
        let mut two = statement.clone();
        two["subject"] = json!([statement["subject"][0], statement["subject"][0]]);
        assert_eq!(slug_of_statement(&two), None, "which of them?");
        assert_eq!(slug_of_statement(&json!({})), None);
    }

    #[test]
    fn what_an_archives_author_calls_it_is_not_told_as_a_fact() {
        assert_eq!(Code::Archive(None).resource(), None);
        let digest = Digest::from_bytes([9; 32]);
        let resource = Code::Archive(Some(digest)).resource().unwrap();
        assert_eq!(resource, json!({ "name": "source", "digest": { "sha256": digest.hex() } }));
    }
}
