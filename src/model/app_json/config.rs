//! The config vars that `app.json` asks for.

use std::collections::BTreeMap;

use super::super::{ConfigKey, Secret};
use super::Manifest;

impl Manifest {
    /// The config vars to be set: those given, then the file's own values, then what `generate` makes up.
    ///
    /// # Errors
    /// A sentence per variable that is required and has no value; the sentence is that of Heroku's schema.
    pub fn config(
        &self,
        given: &BTreeMap<ConfigKey, Secret>,
        generate: impl Fn() -> Secret,
    ) -> Result<BTreeMap<ConfigKey, Secret>, Vec<String>> {
        let (mut config, mut missing) = (given.clone(), Vec::new());
        for (key, spec) in &self.env {
            if config.contains_key(key) {
                continue;
            }
            match &spec.value {
                Some(value) => _ = config.insert(key.clone(), value.clone()),
                None if spec.is_generated => _ = config.insert(key.clone(), generate()),
                None if spec.required => missing.push(format!("config var {key} is required")),
                None => {}
            }
        }
        if missing.is_empty() { Ok(config) } else { Err(missing) }
    }
}
