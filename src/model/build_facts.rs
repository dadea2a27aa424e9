//! What happened in a build: how long each part took, what its cache brought, what its buildpacks report.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Invalid;

/// A part of a build, in the order in which they follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The push comes in and is checked.
    Receive,
    /// Builds before it are waited for.
    Queue,
    /// An environment starts, and the source and the cache are put into it.
    Export,
    /// The buildpacks are chosen.
    Detect,
    /// They run.
    Compile,
    /// What they made becomes a slug or images, and the cache is kept.
    Pack,
    /// What is released besides is kept: the pushed objects, and what is said of the slug.
    Store,
    /// The release is recorded.
    Release,
}

impl Phase {
    /// The word that the pusher and the API's clients read.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Queue => "queue",
            Self::Export => "export",
            Self::Detect => "detect",
            Self::Compile => "compile",
            Self::Pack => "pack",
            Self::Store => "store",
            Self::Release => "release",
        }
    }
}

/// What is known of a build that has ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BuildFacts {
    /// Milliseconds in each part that the build came to, by a clock that nobody sets.
    pub phases: BTreeMap<Phase, u64>,
    /// Bytes of the cache that the build began with; none when it began with an empty one.
    pub cache_restored_bytes: Option<u64>,
    /// Bytes of the cache that it left.
    pub cache_saved_bytes: Option<u64>,
    /// One for each buildpack that has compiled and has a `bin/report`, in that order.
    pub reports: Vec<PackReport>,
}

impl BuildFacts {
    /// From the end of the push's commands to the release, in milliseconds.
    #[must_use]
    pub fn total_millis(&self) -> u64 {
        self.phases.values().sum()
    }
}

/// What a buildpack says of its own work (conventions 3.6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackReport {
    /// The buildpack, as it was asked for.
    pub buildpack: String,
    pub facts: BTreeMap<FactName, Fact>,
    /// Why there are none, if its `bin/report` did not do what it should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The name of a fact: letters, digits, and `_`, `-` or `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FactName(String);

impl FactName {
    /// The most that it may hold, in bytes.
    pub const MAX_BYTES: usize = 100;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FactName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if !text.is_empty() && text.len() <= Self::MAX_BYTES && text.bytes().all(is_plain) {
            return Ok(Self(text.to_owned()));
        }
        let shown: String = text.chars().take(Self::MAX_BYTES).collect();
        Err(Invalid(format!(
            "`{}` is no name of a fact, which is up to 100 letters, digits, `_`, `-` and `.`",
            shown.escape_debug()
        )))
    }
}

impl TryFrom<String> for FactName {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<FactName> for String {
    fn from(name: FactName) -> Self {
        name.0
    }
}

/// A single value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fact {
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(String),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Whole(number) => number.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// The most that a `bin/report` may say, in bytes.
pub const MAX_REPORT_BYTES: usize = 16 * 1024;
/// The most facts of one pack.
const MAX_FACTS: usize = 100;
/// The longest text of a fact, in bytes.
const MAX_TEXT_BYTES: usize = 1000;

/// Parses what a `bin/report` prints: YAML, of which JSON is a part, of one flat map from names to single values. What is
/// `null` is left out.
pub fn parse_report(text: &str) -> Result<BTreeMap<FactName, Fact>, Invalid> {
    if text.len() > MAX_REPORT_BYTES {
        return Err(Invalid(format!("it is longer than {MAX_REPORT_BYTES} bytes")));
    }
    let map: Option<BTreeMap<String, serde_yaml::Value>> =
        serde_yaml::from_str(text).map_err(|_| Invalid("it is no map in YAML or JSON".into()))?;
    let map = map.unwrap_or_default();
    if map.len() > MAX_FACTS {
        return Err(Invalid(format!("it has {} facts, the limit is {MAX_FACTS}", map.len())));
    }
    let facts = map.into_iter().filter(|(_, value)| !value.is_null());
    facts.map(|(name, value)| Ok((name.parse()?, single(&name, value)?))).collect()
}

fn single(name: &str, value: serde_yaml::Value) -> Result<Fact, Invalid> {
    let refuse = |why: String| Err(Invalid(format!("the fact `{}` {why}", name.escape_debug())));
    match serde_yaml::from_value(value) {
        Ok(Fact::Text(text)) if text.len() > MAX_TEXT_BYTES => refuse(format!("is longer than {MAX_TEXT_BYTES} bytes")),
        Ok(Fact::Text(text)) if text.chars().any(char::is_control) => refuse("is not one line without control characters".into()),
        // Neither has a form in JSON.
        Ok(Fact::Number(number)) if !number.is_finite() => refuse("is no number".into()),
        Ok(fact) => Ok(fact),
        Err(_) => refuse("is not a text, a number, true or false".into()),
    }
}

/// A time for people: `9.8s`, `2m 5s`.
#[must_use]
pub fn seconds(millis: u64) -> String {
    match millis {
        0..60_000 => format!("{}.{}s", millis / 1000, millis % 1000 / 100),
        _ => format!("{}m {}s", millis / 60_000, millis % 60_000 / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match parse_report(text) {
            Ok(facts) => facts.iter().map(|(name, fact)| format!("{}={fact:?}", name.as_str())).collect::<Vec<_>>().join(" "),
            Err(Invalid(why)) => why,
        }
    }

    #[test]
    fn a_report_is_a_flat_map() {
        assert_eq!(
            parsed(r#"{"python_version": "3.11.2", "cached": true, "x": null}"#),
            r#"cached=Flag(true) python_version=Text("3.11.2")"#
        );
        assert_eq!(
            parsed("node-version: v18.1.0\nsize: 12\nshare: 0.5\n"),
            r#"node-version=Text("v18.1.0") share=Number(0.5) size=Whole(12)"#
        );
        for nothing in ["", "---\n", "{}", "# nothing\n"] {
            assert_eq!(parsed(nothing), "", "{nothing:?}");
        }
    }

    #[test]
    fn anything_else_is_refused_in_words() {
        assert_eq!(parsed("- a\n"), "it is no map in YAML or JSON");
        assert_eq!(parsed("a: [1]\n"), "the fact `a` is not a text, a number, true or false");
        assert_eq!(parsed("a: {b: 1}\n"), "the fact `a` is not a text, a number, true or false");
        assert_eq!(parsed("a: .nan\n"), "the fact `a` is no number");
        assert_eq!(parsed("a: \"\\e[2J\"\n"), "the fact `a` is not one line without control characters");
        assert!(parsed("a b: 1\n").starts_with("`a b` is no name of a fact"));
        assert!(parsed(&format!("a: {}", "x".repeat(MAX_TEXT_BYTES + 1))).ends_with("is longer than 1000 bytes"));
        let many = (0..=MAX_FACTS).map(|number| format!("f{number}: 1")).collect::<Vec<_>>().join("\n");
        assert_eq!(parsed(&many), "it has 101 facts, the limit is 100");
        assert_eq!(parsed(&"#".repeat(MAX_REPORT_BYTES + 1)), "it is longer than 16384 bytes");
    }

    #[test]
    fn times_are_short() {
        let cases = [(0, "0.0s"), (99, "0.0s"), (9_849, "9.8s"), (59_999, "59.9s"), (60_000, "1m 0s"), (754_321, "12m 34s")];
        for (millis, text) in cases {
            assert_eq!(seconds(millis), text);
        }
    }
}
