//! Which processes the app has: its Procfile, over the defaults of the last pack's `bin/release`.

use serde::Deserialize;

use super::compile::Compiled;
use super::{Build, BuildError};
use crate::engine::Exit;
use crate::model::{ProcessTypes, Procfile};

/// What `bin/release` may say (conventions 3.6). `addons` and `config_vars` are read and passed over: they belong to
/// an app's creation, not to a build.
#[derive(Debug, Default, Deserialize)]
struct ReleaseYaml {
    #[serde(default)]
    default_process_types: Option<ProcessTypes>,
}

/// Finds the process types and prints them.
pub async fn discover_process_types(build: &Build<'_>, compiled: &Compiled) -> Result<ProcessTypes, BuildError> {
    build.transcript.section("Discovering process types");
    let (Procfile(declared), mut defaults) = tokio::try_join!(read_procfile(build), default_types(build, compiled))?;
    defaults.retain(|name, _| !declared.contains_key(name));
    for line in describe(&declared, &defaults) {
        build.transcript.detail(&line);
    }
    Ok(defaults.into_iter().chain(declared).collect())
}

async fn read_procfile(build: &Build<'_>) -> Result<Procfile, BuildError> {
    // One byte more than is allowed tells a long one from one that fits.
    let script = format!("test ! -f Procfile || exec head -c {} Procfile", Procfile::MAX_BYTES + 1);
    let answer = build.answer_of(&["sh", "-c", &script]).await?;
    if answer.stdout.len() >= Procfile::MAX_BYTES {
        return Err(BuildError::Procfile(crate::model::Invalid(format!(
            "Procfile is longer than {} bytes",
            Procfile::MAX_BYTES
        ))));
    }
    Procfile::parse(&answer.stdout).map_err(BuildError::Procfile)
}

async fn default_types(build: &Build<'_>, compiled: &Compiled) -> Result<ProcessTypes, BuildError> {
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

fn parse_release(yaml: &str) -> Result<ProcessTypes, String> {
    if yaml.trim().is_empty() {
        return Ok(ProcessTypes::new());
    }
    let release: Option<ReleaseYaml> = serde_yaml::from_str(yaml).map_err(|error| error.to_string())?;
    Ok(release.unwrap_or_default().default_process_types.unwrap_or_default())
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
        let expected = types(&[("web", "npm start")]);
        assert_eq!(parse_release("---\naddons: []\ndefault_process_types:\n  web: npm start\n"), Ok(expected));
        for nothing in ["", "---\n", "--- {}\n", "default_process_types:\n"] {
            assert_eq!(parse_release(nothing), Ok(types(&[])), "{nothing:?}");
        }
        assert!(parse_release("default_process_types: [a]").is_err());
        assert!(parse_release("default_process_types:\n  'a b': x").is_err());
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
