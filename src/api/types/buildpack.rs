//! The buildpacks set on an app, and the buildpack registry that the Heroku CLI asks for names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{self, BuildpackRef};

/// `GET /apps/APP/buildpack-installations`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BuildpackInstallation {
    pub buildpack: Buildpack,
    /// From 0.
    pub ordinal: usize,
}

/// A buildpack by its URL or, if it has a name, by that with `urn:buildpack:` before it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Buildpack {
    pub name: String,
    pub url: String,
}

impl From<&BuildpackRef> for Buildpack {
    fn from(buildpack: &BuildpackRef) -> Self {
        let name = buildpack.to_string();
        let url = if matches!(buildpack, BuildpackRef::At(_)) { name.clone() } else { format!("urn:buildpack:{name}") };
        Self { name, url }
    }
}

/// A buildpack that something was built with.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UsedBuildpack {
    pub name: String,
    pub url: String,
    /// hoist's own addition: of a repository the commit, of an archive or hoist's own packs `sha256:` and the digits. Not there for
    /// a folder of the app, and as long as it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl From<&BuildpackRef> for UsedBuildpack {
    /// Without signatures in URLs: who may see an app reads it, too.
    fn from(buildpack: &BuildpackRef) -> Self {
        let name = buildpack.shown();
        let url = if matches!(buildpack, BuildpackRef::At(_)) { name.clone() } else { format!("urn:buildpack:{name}") };
        Self { name, url, version: None }
    }
}

impl From<&model::UsedBuildpack> for UsedBuildpack {
    fn from(used: &model::UsedBuildpack) -> Self {
        Self { version: used.version.as_ref().map(ToString::to_string), ..(&used.buildpack).into() }
    }
}

/// `PUT /apps/APP/buildpack-installations`: the whole new list.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BuildpackUpdates {
    pub updates: Vec<BuildpackUpdate>,
}

/// One of them. The Heroku CLI leaves `buildpack` out when its registry look-up fails.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BuildpackUpdate {
    #[serde(default)]
    pub buildpack: Option<String>,
}

/// `GET /buildpacks/NAMESPACE%2FNAME` of the registry.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RegisteredBuildpack {
    /// What the Heroku CLI then puts into `buildpack-installations`.
    pub blob_url: String,
    pub name: String,
    pub namespace: String,
}
