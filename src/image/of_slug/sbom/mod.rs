//! What is in a slug or its image, in `CycloneDX` 1.6 (cyclonedx.org/docs/1.6/json): the packages of the app, from what its
//! package managers left in the slug, and those of the stack, from dpkg's own list.
//!
//! The slug's document is made when it is built. Its image's takes the app's packages from that, and the stack's from the stack
//! that the image stands on.

mod debian;
mod lines;
mod locks;
mod slug;

use std::collections::{BTreeMap, BTreeSet};

use packageurl::PackageUrl;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::artifact::{Artifact, Parts, attach};
use super::image::{SlugImage, rfc3339};
use super::to_json;
use crate::model::{AppName, CommitId, Descriptor, Digest, Slug};

pub use debian::{debian_packages, distribution};
pub use locks::read_lock_file;
pub use slug::{Inventory, packages_in_slug};

/// What is attached to an image.
pub const SBOM_TYPE: &str = "application/vnd.cyclonedx+json";

/// A package of this name and version, of the world that its type names (`npm`, `pypi`, `gem`, `cargo`, `golang`,
/// `composer`, `maven`, `deb`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    pub kind: &'static str,
    /// With its scope, as in `@babel/core`.
    pub name: String,
    pub version: String,
}

impl Package {
    fn new(kind: &'static str, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { kind, name: name.into(), version: version.into() }
    }

    /// How package managers of all worlds name it (purl), on this distribution; `None` for what can't be named so.
    fn purl(&self, distribution: &str) -> Option<String> {
        let (namespace, name) = match self.kind {
            "deb" => (Some(distribution), self.name.as_str()),
            _ => self.name.rsplit_once('/').map_or((None, self.name.as_str()), |(scope, name)| (Some(scope), name)),
        };
        let mut purl = PackageUrl::new(self.kind, name).ok()?;
        if let Some(namespace) = namespace {
            purl.with_namespace(namespace).ok()?;
        }
        purl.with_version(self.version.as_str()).ok()?;
        Some(purl.to_string())
    }

    fn component(&self, distribution: &str) -> Value {
        let mut component =
            BTreeMap::from([("type", "library".to_owned()), ("name", self.name.clone()), ("version", self.version.clone())]);
        if let Some(purl) = self.purl(distribution) {
            component.extend([("bom-ref", purl.clone()), ("purl", purl)]);
        }
        json!(component)
    }
}

/// What was found in a slug.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    pub packages: BTreeSet<Package>,
    /// The lock files that could not be understood: what they name is missing.
    pub unread: BTreeSet<String>,
}

/// What is installed in a stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StackPackages {
    /// Whose they are, as its os-release says; Debian's, if that is not known.
    pub distribution: Option<String>,
    pub packages: BTreeSet<Package>,
}

impl StackPackages {
    fn distribution(&self) -> &str {
        self.distribution.as_deref().unwrap_or("debian")
    }

    /// Marked as the stack's.
    fn components(&self) -> impl Iterator<Item = Value> {
        self.packages.iter().map(|package| {
            let mut component = package.component(self.distribution());
            component["properties"] = of_stack_only();
            component
        })
    }
}

/// What a document lists.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    components: Vec<Value>,
    /// What is missing.
    properties: Vec<Value>,
}

/// Of a document that hoist has written.
#[derive(Deserialize)]
struct Written {
    components: Vec<Value>,
    metadata: WrittenMetadata,
}

#[derive(Deserialize)]
struct WrittenMetadata {
    #[serde(default)]
    properties: Vec<Value>,
}

impl Listing {
    /// The packages of a stack, and of an app on it: what buildpacks unpack is of the stack's distribution.
    #[must_use]
    pub fn new(stack: &StackPackages, app: &Contents) -> Self {
        let apps = app.packages.iter().map(|package| package.component(stack.distribution()));
        let components = distinct(apps.chain(stack.components()));
        let property = |file: &String| json!({ "name": "hoist:lock-file-not-understood", "value": file });
        Self { components, properties: app.unread.iter().map(property).collect() }
    }

    /// The packages of a stack, and of the app that a slug's own document lists; `None` when it is none of hoist's.
    #[must_use]
    pub fn again(stack: &StackPackages, slug_sbom: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(slug_sbom).ok()?;
        // What both have is the app's, so that it stays when the stack changes.
        let apps = written.components.into_iter().filter(|component| component["properties"] != of_stack_only());
        let apps = apps.map(|component| on_distribution(component, stack.distribution()));
        let components = distinct(apps.chain(stack.components()));
        Some(Self { components, properties: written.metadata.properties })
    }
}

/// Tells what is the stack's from what is the app's, which may have packages of the distribution, too.
fn of_stack_only() -> Value {
    json!([{ "name": "hoist:part-of", "value": "stack" }])
}

/// A package of a distribution is of this one, whatever was known of it when the package was listed.
fn on_distribution(component: Value, distribution: &str) -> Value {
    let is_debs = component["purl"].as_str().is_some_and(|purl| purl.starts_with("pkg:deb/"));
    match (component["name"].as_str(), component["version"].as_str()) {
        (Some(name), Some(version)) if is_debs => Package::new("deb", name, version).component(distribution),
        _ => component,
    }
}

/// Without those that a document would have two of by one reference: purls don't tell every two names apart.
fn distinct(components: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut seen = BTreeSet::new();
    components.filter(|component| component["bom-ref"].as_str().is_none_or(|name| seen.insert(name.to_owned()))).collect()
}

/// What a document is about.
struct Described<'a> {
    /// A word of `CycloneDX`.
    kind: &'static str,
    name: String,
    version: String,
    digest: &'a Digest,
    at: OffsetDateTime,
}

/// Lists what is in a slug.
#[must_use]
pub fn slug_sbom(app: &AppName, slug: &Slug, listing: &Listing) -> Vec<u8> {
    let version = slug.commit.as_ref().map_or_else(|| slug.id.to_string(), CommitId::to_string);
    let described = Described { kind: "application", name: app.to_string(), version, digest: &slug.digest, at: slug.created_at };
    to_json(&document(&described, listing))
}

/// Attaches the list of an image's packages to it.
#[must_use]
pub fn sbom(image: &SlugImage<'_>, listing: &Listing, subject: &Descriptor) -> Artifact {
    let SlugImage { app, release, process_type, .. } = image;
    let (name, version) = (format!("{app}/{process_type}"), release.version.to_string());
    let described = Described { kind: "container", name, version, digest: &subject.digest, at: release.created_at };
    attach(
        subject,
        Parts {
            artifact_type: SBOM_TYPE,
            config: None,
            media_type: SBOM_TYPE,
            content: to_json(&document(&described, listing)),
            annotations: BTreeMap::new(),
            tag: None,
        },
    )
}

fn document(described: &Described<'_>, listing: &Listing) -> Value {
    let Described { kind, name, version, digest, at } = described;
    let mut metadata = json!({
        "timestamp": rfc3339(*at),
        "tools": { "components": [{ "type": "application", "name": "hoist", "version": env!("CARGO_PKG_VERSION") }] },
        "component": {
            "type": kind,
            "bom-ref": digest.to_string(),
            "name": name,
            "version": version,
            "hashes": [{ "alg": "SHA-256", "content": digest.hex() }],
        },
    });
    if !listing.properties.is_empty() {
        metadata["properties"] = json!(listing.properties);
    }
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": metadata,
        "components": listing.components,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::of_slug::descriptor_of;
    use crate::image::of_slug::image::tests::with_image;
    use crate::model::ManifestType;

    fn stack(distribution: Option<&str>, version: &str) -> StackPackages {
        let packages = [Package::new("deb", "libc6", version)].into();
        StackPackages { distribution: distribution.map(str::to_owned), packages }
    }

    #[test]
    fn the_document_names_the_image_and_each_package() {
        let packages = [Package::new("npm", "@babel/core", "7.0.0"), Package::new("pypi", "flask", "3.0.0")].into();
        let stack = stack(None, "2.36-9+deb12u10");
        let listing = Listing::new(&stack, &Contents { packages, unread: BTreeSet::new() });
        let subject = descriptor_of(ManifestType::OciManifest.as_str(), b"image");
        let made = with_image(|image| sbom(image, &listing, &subject));
        let document: Value = serde_json::from_slice(&made.blobs[1]).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap(), @r#"
        {
          "bomFormat": "CycloneDX",
          "components": [
            {
              "bom-ref": "pkg:npm/%40babel/core@7.0.0",
              "name": "@babel/core",
              "purl": "pkg:npm/%40babel/core@7.0.0",
              "type": "library",
              "version": "7.0.0"
            },
            {
              "bom-ref": "pkg:pypi/flask@3.0.0",
              "name": "flask",
              "purl": "pkg:pypi/flask@3.0.0",
              "type": "library",
              "version": "3.0.0"
            },
            {
              "bom-ref": "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10",
              "name": "libc6",
              "properties": [
                {
                  "name": "hoist:part-of",
                  "value": "stack"
                }
              ],
              "purl": "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10",
              "type": "library",
              "version": "2.36-9+deb12u10"
            }
          ],
          "metadata": {
            "component": {
              "bom-ref": "sha256:6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d",
              "hashes": [
                {
                  "alg": "SHA-256",
                  "content": "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d"
                }
              ],
              "name": "my-app/web",
              "type": "container",
              "version": "v3"
            },
            "timestamp": "2023-11-14T22:13:20Z",
            "tools": {
              "components": [
                {
                  "name": "hoist",
                  "type": "application",
                  "version": "0.1.0"
                }
              ]
            }
          },
          "specVersion": "1.6",
          "version": 1
        }
        "#);
    }

    #[test]
    fn an_images_document_takes_the_apps_packages_from_the_slugs() {
        // nginx is one that a buildpack has unpacked.
        let packages = [Package::new("npm", "@babel/core", "7.0.0"), Package::new("deb", "nginx", "1.22.1-9")].into();
        let app = Contents { packages, unread: ["yarn.lock".into()].into() };
        let stack = |version| stack(Some("ubuntu"), version);
        let of_slug = with_image(|image| slug_sbom(image.app, image.slug, &Listing::new(&stack("1"), &app)));
        let document: Value = serde_json::from_slice(&of_slug).unwrap();
        let component = &document["metadata"]["component"];
        assert_eq!((&component["type"], &component["name"]), (&json!("application"), &json!("my-app")));
        assert_eq!(component["hashes"][0]["content"], "01".repeat(32), "of the slug");
        let names: Vec<_> =
            document["components"].as_array().unwrap().iter().map(|part| part["purl"].as_str().unwrap()).collect();
        assert_eq!(names, ["pkg:deb/ubuntu/nginx@1.22.1-9", "pkg:npm/%40babel/core@7.0.0", "pkg:deb/ubuntu/libc6@1"]);
        assert_eq!(document["metadata"]["properties"][0]["value"], "yarn.lock");
        assert_eq!(Listing::again(&stack("2"), &of_slug), Some(Listing::new(&stack("2"), &app)));
        assert_eq!(Listing::again(&stack("2"), b"{}"), None);
    }

    #[test]
    fn packages_that_were_listed_as_another_distributions_become_the_stacks() {
        let packages = [Package::new("npm", "left-pad", "1.0.0"), Package::new("deb", "libc6", "2")];
        let app = Contents { packages: packages.into(), unread: BTreeSet::new() };
        let [before, now] = [None, Some("ubuntu")].map(|distribution| stack(distribution, "2"));
        let of_slug = with_image(|image| slug_sbom(image.app, image.slug, &Listing::new(&before, &app)));
        let again = Listing::again(&now, &of_slug).unwrap();
        assert_eq!(again, Listing::new(&now, &app));
        let names: Vec<_> = again.components.iter().map(|component| component["bom-ref"].as_str().unwrap()).collect();
        assert_eq!(names, ["pkg:deb/ubuntu/libc6@2", "pkg:npm/left-pad@1.0.0"]);
    }
}
