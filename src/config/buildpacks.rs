//! `[buildpacks]`: where buildpacks come from that hoist does not carry.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::model::{BuildpackPlace, RegisteredName};

/// Buildpacks that are fetched. Private networks are reached only where `[network]` allows them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Buildpacks {
    /// How long a copy is used before its server is asked whether there is something newer. Default 1 h.
    #[serde(with = "humantime_serde")]
    pub refresh: Duration,
    /// For one fetch. Default 90 s (conventions 3.6).
    #[serde(with = "humantime_serde")]
    pub fetch_time: Duration,
    /// Names, `NAMESPACE/NAME`, and what they mean: a repository's URL with or without `#REVISION`, or that of a `.tgz`. They win
    /// over hoist's own meaning of `heroku/NAME`. Default: none but Heroku's.
    pub registry: BTreeMap<RegisteredName, BuildpackPlace>,
}

impl Default for Buildpacks {
    fn default() -> Self {
        Self { refresh: Duration::from_hours(1), fetch_time: Duration::from_secs(90), registry: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_a_table_of_checked_names_and_places() {
        let read = |text: &str| toml::from_str::<Buildpacks>(text);
        let read_one = read("refresh = \"5m\"\n[registry]\n\"acme/go\" = \"https://git.example.com/go.git#v2\"\n").unwrap();
        let (name, place) = read_one.registry.iter().next().unwrap();
        assert_eq!((name.to_string(), place.to_string()), ("acme/go".into(), "https://git.example.com/go.git#v2".into()));
        assert_eq!((read_one.refresh, read_one.fetch_time), (Duration::from_mins(5), Duration::from_secs(90)));
        for bad in ["\"acme\" = \"https://h/x\"", "\"a/b\" = \"hoist/nodejs\"", "\"a/b\" = \"https://me:sesame@h/x\""] {
            assert!(read(&format!("[registry]\n{bad}\n")).is_err(), "{bad}");
        }
    }
}
