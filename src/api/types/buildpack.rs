//! The buildpacks set on an app, and the buildpack registry that the Heroku CLI asks for names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::BuildpackRef;

/// `GET /apps/APP/buildpack-installations`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BuildpackInstallation {
    pub buildpack: Buildpack,
    /// From 0.
    pub ordinal: usize,
}

/// A buildpack by its URL or, for hoist's own, by its name with `urn:buildpack:` before it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Buildpack {
    pub name: String,
    pub url: String,
}

impl From<&BuildpackRef> for Buildpack {
    fn from(buildpack: &BuildpackRef) -> Self {
        Self { name: buildpack.to_string(), url: format!("urn:buildpack:{buildpack}") }
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
