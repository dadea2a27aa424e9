//! What is in an image, in `CycloneDX` 1.6 (cyclonedx.org/docs/1.6/json): the packages of the app, from what its package
//! managers left in the slug, and those of the stack, from dpkg's own list.

mod debian;
mod locks;
mod slug;

use std::collections::{BTreeMap, BTreeSet};

use packageurl::PackageUrl;
use serde_json::{Value, json};

use super::artifact::{Artifact, Parts, attach};
use super::image::{SlugImage, rfc3339};
use super::to_json;
use crate::model::Descriptor;

pub use debian::debian_packages;
pub use slug::packages_in_slug;

/// What is attached to an image.
pub const SBOM_TYPE: &str = "application/vnd.cyclonedx+json";

/// A package of this name and version, of the world that its type names (`npm`, `pypi`, `gem`, `cargo`, `golang`,
/// `composer`, `deb`).
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

    /// How package managers of all worlds name it (purl); `None` for what can't be named so.
    fn purl(&self) -> Option<String> {
        let (namespace, name) = match self.kind {
            "deb" => (Some("debian"), self.name.as_str()),
            _ => self.name.rsplit_once('/').map_or((None, self.name.as_str()), |(scope, name)| (Some(scope), name)),
        };
        let mut purl = PackageUrl::new(self.kind, name).ok()?;
        if let Some(namespace) = namespace {
            purl.with_namespace(namespace).ok()?;
        }
        purl.with_version(self.version.as_str()).ok()?;
        Some(purl.to_string())
    }

    fn component(&self) -> Value {
        let mut component =
            BTreeMap::from([("type", "library".to_owned()), ("name", self.name.clone()), ("version", self.version.clone())]);
        if let Some(purl) = self.purl() {
            component.extend([("bom-ref", purl.clone()), ("purl", purl)]);
        }
        json!(component)
    }
}

/// Attaches the list of an image's packages to it.
#[must_use]
pub fn sbom(image: &SlugImage<'_>, packages: &BTreeSet<Package>, subject: &Descriptor) -> Artifact {
    attach(
        subject,
        Parts {
            artifact_type: SBOM_TYPE,
            config: None,
            media_type: SBOM_TYPE,
            content: to_json(&document(image, packages, subject)),
            annotations: BTreeMap::new(),
            tag: None,
        },
    )
}

fn document(image: &SlugImage<'_>, packages: &BTreeSet<Package>, subject: &Descriptor) -> Value {
    let SlugImage { app, release, process_type, .. } = image;
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": rfc3339(release.created_at),
            "tools": { "components": [{ "type": "application", "name": "hoist", "version": env!("CARGO_PKG_VERSION") }] },
            "component": {
                "type": "container",
                "bom-ref": subject.digest.to_string(),
                "name": format!("{app}/{process_type}"),
                "version": release.version.to_string(),
                "hashes": [{ "alg": "SHA-256", "content": subject.digest.hex() }],
            },
        },
        "components": packages.iter().map(Package::component).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::of_slug::descriptor_of;
    use crate::image::of_slug::image::tests::with_image;
    use crate::model::ManifestType;

    #[test]
    fn the_document_names_the_image_and_each_package() {
        let packages = [
            Package::new("npm", "@babel/core", "7.0.0"),
            Package::new("deb", "libc6", "2.36-9+deb12u10"),
            Package::new("pypi", "flask", "3.0.0"),
        ];
        let subject = descriptor_of(ManifestType::OciManifest.as_str(), b"image");
        let document = with_image(|image| document(image, &packages.into(), &subject));
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap(), @r#"
        {
          "bomFormat": "CycloneDX",
          "components": [
            {
              "bom-ref": "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10",
              "name": "libc6",
              "purl": "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10",
              "type": "library",
              "version": "2.36-9+deb12u10"
            },
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
}
