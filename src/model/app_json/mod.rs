//! `app.json`: what an app needs to be set up or tested, as Heroku documents it.
//!
//! `wire` is the file as it is written; this file is what hoist makes of it: one [`Manifest`] per environment. Keys that
//! are not known are passed over, as Heroku does; a wrong type is refused, and the message names the place.

mod config;
mod wire;

use std::collections::BTreeMap;

use serde_json::error::Category;

use super::{BuildpackRef, ConfigKey, Invalid, ProcessType, StackName};

pub use wire::{AddonRef, ConfigVarSpec, FormationSpec, Scripts};

/// A checked `app.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppJson {
    pub name: Option<String>,
    pub description: Option<String>,
    /// Where a user is led when the app is set up: a URL, or a path of the app's.
    pub success_url: Option<String>,
    pub stack: Option<StackName>,
    base: wire::Overridable,
    environments: wire::Environments,
}

/// The environments that may have settings of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvironmentName {
    /// An app that stays.
    Base,
    /// CI.
    Test,
    Review,
}

/// What `app.json` says for one environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    pub env: BTreeMap<ConfigKey, ConfigVarSpec>,
    pub scripts: Scripts,
    pub formation: BTreeMap<ProcessType, FormationSpec>,
    /// Empty for detection.
    pub buildpacks: Vec<BuildpackRef>,
    pub addons: Vec<AddonRef>,
}

impl AppJson {
    /// The largest file that is read.
    pub const MAX_BYTES: usize = 256 * 1024;

    /// Reads the file.
    ///
    /// # Errors
    /// When it is too long, not JSON, or has a wrong type somewhere.
    pub fn parse(text: &[u8]) -> Result<Self, Invalid> {
        if text.len() > Self::MAX_BYTES {
            return Err(Invalid(format!("app.json is longer than {} bytes", Self::MAX_BYTES)));
        }
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut json = serde_json::Deserializer::from_slice(text);
        let wire::Object(mut file): wire::Object<wire::File> = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| Invalid(format!("{}: {}", place_of(&error), error.inner())))?;
        json.end().map_err(|error| Invalid(format!("app.json: {error}")))?;
        let base = file.base();
        let wire::File { name, description, success_url, stack, environments: wire::Object(environments), .. } = file;
        Ok(Self { name, description, success_url, stack, base, environments })
    }

    /// What counts in an environment. Its own settings win over the base's by name: a variable, a script, a process type.
    /// Lists are in an order, so an environment's own replaces the base's whole.
    ///
    /// Source of the rule: "any keys defined in the test environment take precedence over any matching keys in your app's
    /// base configuration" (Dev Center, "Heroku CI").
    #[must_use]
    pub fn manifest(&self, environment: EnvironmentName) -> Manifest {
        let own = match environment {
            EnvironmentName::Base => wire::Overridable::default(),
            EnvironmentName::Test => self.environments.test.0.clone(),
            EnvironmentName::Review => self.environments.review.0.clone(),
        };
        let base = self.base.clone();
        let buildpacks = own.buildpacks.or(base.buildpacks).unwrap_or_default();
        Manifest {
            env: base.env.into_iter().chain(own.env).collect(),
            scripts: own.scripts.0.over(base.scripts.0),
            formation: base.formation.into_iter().chain(own.formation).map(|(name, one)| (name, one.0)).collect(),
            buildpacks: buildpacks.into_iter().map(|buildpack| buildpack.0.into()).collect(),
            addons: own.addons.or(base.addons).unwrap_or_default(),
        }
    }

    /// Where a user of the app at `web_url` is led when it is set up.
    #[must_use]
    pub fn resolved_success_url(&self, web_url: Option<&str>) -> Option<String> {
        let own = self.success_url.as_deref().unwrap_or_default();
        if own.starts_with("https://") || own.starts_with("http://") {
            return Some(own.to_owned());
        }
        web_url.map(|url| format!("{}/{}", url.trim_end_matches('/'), own.trim_start_matches('/')))
    }
}

/// `formation.web.size`; of what is no JSON, the line and the column say more.
fn place_of(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    // `?` stands for what has no name of its own: a key that is refused.
    let place = error.path().to_string();
    let place = place.trim_end_matches(['?', '.']);
    if place.is_empty() || error.inner().classify() != Category::Data { "app.json".into() } else { place.into() }
}

#[cfg(test)]
mod tests;
