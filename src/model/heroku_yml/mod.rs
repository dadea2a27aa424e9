//! `heroku.yml`: which images an app on the stack `container` is built as, and how they run (Dev Center, "Building Docker
//! Images with heroku.yml").
//!
//! `wire` is the file as it is written; this file is what hoist makes of it. Unlike in app.json, a key that is not known is
//! refused, as Heroku does ("build.docker in body is a forbidden property"): a misspelt `run` would be an app that silently
//! runs something else.

mod dockerfile;
mod wire;

use std::collections::BTreeMap;

use serde::Deserialize as _;

use super::{AddonRef, ConfigKey, Invalid, ProcessType, Secret};

pub use dockerfile::DockerfilePath;

/// A checked `heroku.yml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HerokuYml {
    /// What an app that is made from this file gets.
    pub setup: Setup,
    /// What to build, by the name of the image: the process type that it is first of all for.
    pub images: BTreeMap<ProcessType, DockerfilePath>,
    /// What `ARG` in the Dockerfiles is set to. They stand in the app's code: no secrets.
    pub build_args: BTreeMap<ConfigKey, String>,
    /// Everything that runs, the release command too.
    pub processes: BTreeMap<ProcessType, Process>,
}

/// The section `setup`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    pub addons: Vec<AddonRef>,
    pub config: BTreeMap<ConfigKey, Secret>,
}

/// What runs, and in which of the images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub image: ProcessType,
    /// The image's own `CMD`, if none is given.
    pub command: Option<String>,
}

impl HerokuYml {
    /// Its place in the app's folder.
    pub const PATH: &str = "heroku.yml";

    /// The largest file that is read.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Reads the file.
    ///
    /// # Errors
    /// When it is too long, not YAML, has a wrong type or an unknown key somewhere, builds nothing, or runs what it does not
    /// build. The text names the place.
    pub fn parse(text: &[u8]) -> Result<Self, Invalid> {
        if text.len() > Self::MAX_BYTES {
            return Err(Invalid(format!("it is longer than {} bytes", Self::MAX_BYTES)));
        }
        let text = std::str::from_utf8(text).map_err(|_| Invalid("it is not UTF-8 text".into()))?;
        let yaml = read_yaml(text).map_err(|error| Invalid(error.to_string()))?;
        let file: wire::File = serde_path_to_error::deserialize(yaml).map_err(|error| Invalid(words_of(&error)))?;
        Self::from_file(file)
    }

    fn from_file(file: wire::File) -> Result<Self, Invalid> {
        let build = file.build;
        let images = build.docker;
        if images.is_empty() {
            return Err(Invalid("build.docker: no image is to be built; name one, as in `web: Dockerfile`".into()));
        }
        // Each image runs as its own process type with its CMD, unless `run` says otherwise.
        let own = images.keys().map(|name| (name.clone(), Process { image: name.clone(), command: None }));
        let mut processes: BTreeMap<_, _> = own.collect();
        for (name, run) in file.run {
            let place = format!("run.{name}");
            let image = choose_image(&images, &place, run.image, &name)?;
            processes.insert(name, Process { image, command: run.command });
        }
        if let Some(release) = file.release {
            let name = release_type();
            let image = choose_image(&images, "release", release.image, &name)?;
            processes.insert(name, Process { image, command: Some(release.command) });
        }
        let setup = Setup { addons: file.setup.addons, config: file.setup.config.into_iter().map(wire::secret).collect() };
        Ok(Self { setup, images, build_args: build.config.into_iter().map(wire::text).collect(), processes })
    }
}

fn read_yaml(text: &str) -> Result<serde_yaml::Value, serde_yaml::Error> {
    let mut yaml = serde_yaml::Value::deserialize(serde_yaml::Deserializer::from_str(text))?;
    // `<<: *defaults`, which published files use to have the same variables in `setup` and `build`.
    yaml.apply_merge()?;
    Ok(yaml)
}

/// The image that is named; else the one of the process's own name, else that of `web`, else the only one there is.
fn choose_image(
    images: &BTreeMap<ProcessType, DockerfilePath>,
    place: &str,
    named: Option<ProcessType>,
    process: &ProcessType,
) -> Result<ProcessType, Invalid> {
    let all = || images.keys().map(ProcessType::as_str).collect::<Vec<_>>().join(", ");
    if let Some(name) = named {
        let missing = || Invalid(format!("{place}.image: build.docker has no `{name}`; it has: {}", all()));
        return if images.contains_key(&name) { Ok(name) } else { Err(missing()) };
    }
    let web = "web".parse().expect("a process type's name");
    let likely = [process, &web].into_iter().find(|name| images.contains_key(name));
    let only = images.keys().next().filter(|_| images.len() == 1);
    let unclear = || Invalid(format!("{place}: say in which image it runs, as in `image: NAME`; build.docker has: {}", all()));
    likely.or(only).cloned().ok_or_else(unclear)
}

fn release_type() -> ProcessType {
    "release".parse().expect("a process type's name")
}

/// `run.web.image: …`; of the whole file, only what is wrong.
fn words_of(error: &serde_path_to_error::Error<serde_yaml::Error>) -> String {
    // `?` stands for what has no name of its own: a key that is refused.
    let place = error.path().to_string();
    let place = place.trim_end_matches(['?', '.']);
    if place.is_empty() { error.inner().to_string() } else { format!("{place}: {}", error.inner()) }
}

#[cfg(test)]
mod tests;
