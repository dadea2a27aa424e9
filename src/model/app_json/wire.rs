//! The file as it is written.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::super::{BuildpackRef, ConfigKey, DynoSize, Invalid, ProcessType, Secret, StackName};

/// More of one process type is a mistake.
const MOST: u32 = 1000;

#[derive(Debug, Deserialize)]
pub(super) struct File {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) success_url: Option<String>,
    #[serde(default)]
    pub(super) stack: Option<StackName>,
    // The base's part, one by one: flattened, an error's place would be lost.
    #[serde(default)]
    env: BTreeMap<ConfigKey, ConfigVarSpec>,
    #[serde(default)]
    scripts: Object<Scripts>,
    #[serde(default)]
    formation: BTreeMap<ProcessType, Object<FormationSpec>>,
    #[serde(default)]
    buildpacks: Option<Vec<Object<Buildpack>>>,
    #[serde(default)]
    addons: Option<Vec<AddonRef>>,
    #[serde(default)]
    pub(super) environments: Object<Environments>,
}

/// Others, such as the stages of a pipeline, are passed over: apps of those stages are not set up from app.json.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Environments {
    #[serde(default)]
    pub(super) test: Object<Overridable>,
    #[serde(default)]
    pub(super) review: Object<Overridable>,
}

/// What an environment may have of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Overridable {
    pub(super) env: BTreeMap<ConfigKey, ConfigVarSpec>,
    pub(super) scripts: Object<Scripts>,
    pub(super) formation: BTreeMap<ProcessType, Object<FormationSpec>>,
    pub(super) buildpacks: Option<Vec<Object<Buildpack>>>,
    pub(super) addons: Option<Vec<AddonRef>>,
}

/// A config var: its value, or where one comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigVarSpec {
    pub value: Option<Secret>,
    /// Whether an app can't be set up without it; so it is unless the file says otherwise.
    pub required: bool,
    /// Whether hoist makes a random value up.
    pub is_generated: bool,
}

#[derive(Deserialize)]
struct LongConfigVar {
    #[serde(default)]
    value: Option<Secret>,
    #[serde(default)]
    required: Option<bool>,
    #[serde(default)]
    generator: Option<Generator>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Generator {
    Secret,
}

/// Commands that the platform runs at certain moments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Scripts {
    /// Once, after the first release.
    pub postdeploy: Option<Script>,
    /// Before the tests.
    #[serde(rename = "test-setup")]
    pub test_setup: Option<Script>,
    pub test: Option<Script>,
    /// Before a review app is destroyed.
    #[serde(rename = "pr-predestroy")]
    pub pr_predestroy: Option<Script>,
}

/// A command for a shell.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Script(String);

/// How a process type is scaled at first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FormationSpec {
    #[serde(default = "one", deserialize_with = "quantity")]
    pub quantity: u32,
    /// Name of a dyno size, as it is listed.
    #[serde(default, deserialize_with = "size")]
    pub size: Option<String>,
}

/// A buildpack by its name or URL.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Buildpack {
    #[serde(deserialize_with = "buildpack")]
    url: BuildpackRef,
}

/// An add-on to be provisioned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddonRef {
    /// `SERVICE` or `SERVICE:PLAN`
    pub plan: String,
    /// The name of its attachment.
    pub alias: Option<String>,
    pub options: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct LongAddon {
    plan: String,
    #[serde(default, rename = "as")]
    alias: Option<String>,
    #[serde(default)]
    options: BTreeMap<String, String>,
}

impl File {
    /// What counts where an environment says nothing.
    pub(super) fn base(&mut self) -> Overridable {
        Overridable {
            env: std::mem::take(&mut self.env),
            scripts: std::mem::take(&mut self.scripts),
            formation: std::mem::take(&mut self.formation),
            buildpacks: self.buildpacks.take(),
            addons: self.addons.take(),
        }
    }
}

impl Scripts {
    /// These, and the base's where there are none of these.
    pub(super) fn over(self, base: Self) -> Self {
        Self {
            postdeploy: self.postdeploy.or(base.postdeploy),
            test_setup: self.test_setup.or(base.test_setup),
            test: self.test.or(base.test),
            pr_predestroy: self.pr_predestroy.or(base.pr_predestroy),
        }
    }
}

impl Script {
    /// The command as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Script {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        match text.as_str() {
            "" => Err(Invalid("the command is empty".into())),
            text if text.contains('\0') => Err(Invalid("the command holds a NUL byte".into())),
            _ => Ok(Self(text)),
        }
    }
}

impl From<Buildpack> for BuildpackRef {
    fn from(buildpack: Buildpack) -> Self {
        buildpack.url
    }
}

impl<'de> Deserialize<'de> for ConfigVarSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let short = |text: &str| LongConfigVar { value: Some(Secret::new(text)), required: None, generator: None };
        let long = deserializer.deserialize_any(TextOrObject { short, long: PhantomData })?;
        Ok(Self { value: long.value, required: long.required.unwrap_or(true), is_generated: long.generator.is_some() })
    }
}

impl<'de> Deserialize<'de> for AddonRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let short = |plan: &str| LongAddon { plan: plan.to_owned(), alias: None, options: BTreeMap::new() };
        let LongAddon { plan, alias, options } = deserializer.deserialize_any(TextOrObject { short, long: PhantomData })?;
        Ok(Self { plan, alias, options })
    }
}

/// What has to be written as an object: by itself, serde takes a list of a struct's fields as well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OnlyObject(PhantomData))
    }
}

struct OnlyObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyObject<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// Reads what may be written short, as a text, or long, as an object.
struct TextOrObject<T, F> {
    short: F,
    long: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>, F: FnOnce(&str) -> T> Visitor<'de> for TextOrObject<T, F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or an object")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok((self.short)(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

fn one() -> u32 {
    1
}

fn quantity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let quantity = u32::deserialize(deserializer)?;
    if quantity > MOST { Err(D::Error::custom(format!("it is more than {MOST}"))) } else { Ok(quantity) }
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    let size = name.map(|name| DynoSize::named(&name)).transpose().map_err(D::Error::custom)?;
    Ok(size.map(|size| size.name.to_owned()))
}

fn buildpack<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BuildpackRef, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}
