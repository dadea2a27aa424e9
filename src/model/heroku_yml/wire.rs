//! The file as it is written.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::super::{AddonRef, ConfigKey, ProcessType, Secret};
use super::DockerfilePath;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) setup: Setup,
    pub(super) build: Build,
    #[serde(default)]
    pub(super) release: Option<Release>,
    #[serde(default)]
    pub(super) run: BTreeMap<ProcessType, Run>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Setup {
    #[serde(default)]
    pub(super) addons: Vec<AddonRef>,
    #[serde(default)]
    pub(super) config: BTreeMap<ConfigKey, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Build {
    #[serde(default)]
    pub(super) docker: BTreeMap<ProcessType, DockerfilePath>,
    #[serde(default)]
    pub(super) config: BTreeMap<ConfigKey, Value>,
    // Heroku's own builds without a Dockerfile, which were in its beta only.
    #[serde(default, rename = "languages", deserialize_with = "no_buildpacks")]
    _languages: (),
    #[serde(default, rename = "packages", deserialize_with = "no_buildpacks")]
    _packages: (),
    #[serde(default, rename = "pipeline", deserialize_with = "no_buildpacks")]
    _pipeline: (),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Release {
    #[serde(default)]
    pub(super) image: Option<ProcessType>,
    #[serde(deserialize_with = "command")]
    pub(super) command: String,
}

/// A command, or where it runs as well.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) image: Option<ProcessType>,
    pub(super) command: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LongRun {
    #[serde(default)]
    image: Option<ProcessType>,
    #[serde(default, deserialize_with = "some_command")]
    command: Option<String>,
}

/// What a variable is set to. Numbers with a point are refused: `1.10` is 1.1 to YAML.
#[derive(Debug)]
pub(super) struct Value(String);

pub(super) fn text((key, Value(value)): (ConfigKey, Value)) -> (ConfigKey, String) {
    (key, value)
}

pub(super) fn secret((key, Value(value)): (ConfigKey, Value)) -> (ConfigKey, Secret) {
    (key, Secret::new(value))
}

impl<'de> Deserialize<'de> for Run {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RunVisitor)
    }
}

struct RunVisitor;

impl<'de> Visitor<'de> for RunVisitor {
    type Value = Run;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command, or a map with `command` and `image`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Run, E> {
        Ok(Run { image: None, command: Some(checked(text)?) })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Run, A::Error> {
        let LongRun { image, command } = LongRun::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Run { image, command })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl Visitor<'_> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text (numbers with a point in quotes)")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        if text.contains('\0') { Err(E::custom("it holds a NUL byte")) } else { Ok(Value(text.to_owned())) }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value(value.to_string()))
    }
}

fn some_command<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    command(deserializer).map(Some)
}

/// A command line, or a list of them, of which each runs if the one before has succeeded: the documented examples have
/// whole command lines as the items of a list.
fn command<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_any(CommandVisitor)
}

struct CommandVisitor;

impl<'de> Visitor<'de> for CommandVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command, or a list of commands")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        checked(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<String, A::Error> {
        let mut commands = Vec::new();
        while let Some(command) = list.next_element::<String>()? {
            commands.push(checked(&command)?);
        }
        if commands.is_empty() { Err(A::Error::custom("the list is empty")) } else { Ok(commands.join(" && ")) }
    }
}

fn checked<E: Error>(command: &str) -> Result<String, E> {
    match command.trim() {
        "" => Err(E::custom("the command is empty")),
        command if command.contains('\0') => Err(E::custom("the command holds a NUL byte")),
        command => Ok(command.to_owned()),
    }
}

fn no_buildpacks<'de, D: Deserializer<'de>>(_deserializer: D) -> Result<(), D::Error> {
    let words = "hoist builds Dockerfiles only; for buildpacks, set another stack with `hoist stack:set`";
    Err(D::Error::custom(words))
}
