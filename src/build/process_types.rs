//! Which processes the app has: its Procfile, over the defaults of the last pack's `bin/release`.

use std::collections::BTreeMap;
use std::io;

use serde::Deserialize;
use serde_yaml::Value;

use super::compile::Compiled;
use super::{Build, BuildError};
use crate::engine::Exit;
use crate::model::{ProcessTypes, Procfile};

/// What `bin/release` may say (conventions 3.6). What is for a new app only is read leniently: it does not concern most builds.
#[derive(Debug, Default, Deserialize)]
struct ReleaseYaml {
    #[serde(default)]
    default_process_types: Option<ProcessTypes>,
    #[serde(default)]
    addons: Value,
    #[serde(default)]
    config_vars: Value,
}

/// What a build's packs say of the app that they have built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovered {
    pub process_types: ProcessTypes,
    pub for_new_app: ForNewApp,
}

/// What the last pack wants an app to have when it is deployed for the first time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForNewApp {
    /// Services, with or without a plan.
    pub addons: Vec<String>,
    /// Config vars, where nobody has set them.
    pub config_vars: BTreeMap<String, String>,
}

/// Finds the process types and prints them; and what else the last pack's `bin/release` says.
pub async fn discover_process_types(build: &Build<'_>, compiled: &Compiled) -> Result<Discovered, BuildError> {
    build.transcript.section("Discovering process types");
    let (Procfile(declared), mut defaults) = tokio::try_join!(read_procfile(build), ask_release(build, compiled))?;
    defaults.process_types.retain(|name, _| !declared.contains_key(name));
    for line in describe(&declared, &defaults.process_types) {
        build.transcript.detail(&line);
    }
    defaults.process_types.extend(declared);
    Ok(defaults)
}

async fn read_procfile(build: &Build<'_>) -> Result<Procfile, BuildError> {
    // One byte more than is allowed tells a long one from one that fits.
    let script = format!("test ! -f Procfile || exec head -c {} Procfile", Procfile::MAX_BYTES + 1);
    let answer = build.answer_of(&["sh", "-c", &script]).await?;
    if answer.exit != Exit::Code(0) {
        // For want of `head` in the stack, say. An app without a Procfile is another thing.
        let source = io::Error::other(answer.all.trim().to_owned());
        return Err(BuildError::Io { what: "the Procfile can't be read", source });
    }
    if answer.stdout.len() >= Procfile::MAX_BYTES {
        return Err(BuildError::Procfile(crate::model::Invalid(format!(
            "Procfile is longer than {} bytes",
            Procfile::MAX_BYTES
        ))));
    }
    Procfile::parse(&answer.stdout).map_err(BuildError::Procfile)
}

async fn ask_release(build: &Build<'_>, compiled: &Compiled) -> Result<Discovered, BuildError> {
    let detected = &compiled.last;
    let failed = |why: String| BuildError::Release { buildpack: detected.buildpack.clone(), why };
    let mut pack = detected.pack.clone();
    // The system does not source exports before bin/release (conventions 3.6).
    pack.exports.clear();
    let answer = build.run_for_answer_if_there(&pack, "bin/release", &[&build.dir]).await?;
    match answer.exit {
        Exit::Code(0) => parse_release(&answer.stdout).map_err(failed),
        Exit::Code(code) => Err(failed(format!("exit status {code}\n{}", answer.all.trim()))),
        // Ended by a signal.
        exit => Err(BuildError::Compile { language: compiled.language.clone(), exit }),
    }
}

fn parse_release(yaml: &str) -> Result<Discovered, String> {
    if yaml.trim().is_empty() {
        return Ok(Discovered::default());
    }
    let release: Option<ReleaseYaml> = serde_yaml::from_str(yaml).map_err(|error| error.to_string())?;
    let release = release.unwrap_or_default();
    let addons = release.addons.as_sequence().into_iter().flatten().filter_map(scalar).collect();
    let pairs = release.config_vars.as_mapping().into_iter().flatten();
    let config_vars = pairs.filter_map(|(key, value)| Some((scalar(key)?, scalar(value)?))).collect();
    let process_types = release.default_process_types.unwrap_or_default();
    Ok(Discovered { process_types, for_new_app: ForNewApp { addons, config_vars } })
}

/// A text, or what YAML takes for something else: `WEB_CONCURRENCY: 2`.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        _ => None,
    }
}

/// The lines of conventions 3.1: one without arrows aligned when there are no defaults, two with.
fn describe(declared: &ProcessTypes, defaults: &ProcessTypes) -> Vec<String> {
    let list = |types: &ProcessTypes| match types.keys().map(ToString::to_string).collect::<Vec<_>>() {
        names if names.is_empty() => "(none)".to_owned(),
        names => names.join(", "),
    };
    if defaults.is_empty() {
        return vec![format!("Procfile declares types -> {}", list(declared))];
    }
    vec![
        format!("Procfile declares types     -> {}", list(declared)),
        format!("Default types for buildpack -> {}", list(defaults)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(list: &[(&str, &str)]) -> ProcessTypes {
        list.iter().map(|(name, command)| (name.parse().unwrap(), (*command).to_owned())).collect()
    }

    #[test]
    fn release_yaml_gives_types() {
        let expected = Discovered { process_types: types(&[("web", "npm start")]), ..Discovered::default() };
        assert_eq!(parse_release("---\naddons: []\ndefault_process_types:\n  web: npm start\n"), Ok(expected));
        for nothing in ["", "---\n", "--- {}\n", "default_process_types:\n", "addons: {}\nconfig_vars: 3\n"] {
            assert_eq!(parse_release(nothing), Ok(Discovered::default()), "{nothing:?}");
        }
        assert!(parse_release("default_process_types: [a]").is_err());
        assert!(parse_release("default_process_types:\n  'a b': x").is_err());
    }

    #[test]
    fn release_yaml_tells_what_a_new_app_is_to_have() {
        let yaml = "addons:\n- heroku-postgresql:mini\n- [x]\nconfig_vars:\n  LANG: C\n  WORKERS: 2\n  X:\n    y: z\n";
        let told = parse_release(yaml).unwrap().for_new_app;
        assert_eq!(told.addons, ["heroku-postgresql:mini"]);
        let vars: Vec<_> = told.config_vars.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(vars, ["LANG=C", "WORKERS=2"]);
    }

    #[test]
    fn types_are_listed_as_heroku_does() {
        assert_eq!(describe(&types(&[("web", "x")]), &types(&[])), ["Procfile declares types -> web"]);
        assert_eq!(
            describe(&types(&[("web", "x"), ("release", "y")]), &types(&[("rake", "z"), ("console", "z")])),
            ["Procfile declares types     -> release, web", "Default types for buildpack -> console, rake"]
        );
        assert_eq!(describe(&types(&[]), &types(&[("web", "x")]))[0], "Procfile declares types     -> (none)");
    }
}
