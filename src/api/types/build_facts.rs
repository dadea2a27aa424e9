//! What happened in a build.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model;

/// What is known of a build that has ended.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BuildFacts {
    /// Bytes of the cache that it began with; null when it began with an empty one.
    pub cache_restored: Option<u64>,
    /// Bytes of the cache that it left; null when it left none, or left it as it was.
    pub cache_saved: Option<u64>,
    /// The parts that it came to, in their order.
    pub phases: Vec<PhaseTime>,
    /// What the buildpacks said by their `bin/report`, in the order in which they compiled.
    pub reports: Vec<PackReport>,
    /// Milliseconds in all of its parts.
    pub total: u64,
}

/// How long a part took.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PhaseTime {
    /// `receive`, `queue`, `export`, `detect`, `compile`, `pack`, `store` or `release`.
    pub phase: String,
    pub milliseconds: u64,
}

/// What a buildpack said.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PackReport {
    pub buildpack: String,
    pub facts: BTreeMap<String, Fact>,
    /// Why there are no facts; null if there are.
    pub problem: Option<String>,
}

/// A single value.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Fact {
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(String),
}

impl From<model::BuildFacts> for BuildFacts {
    fn from(facts: model::BuildFacts) -> Self {
        Self {
            total: facts.total_millis(),
            cache_restored: facts.cache_restored_bytes,
            cache_saved: facts.cache_saved_bytes,
            phases: facts.phases.into_iter().map(phase_time).collect(),
            reports: facts.reports.into_iter().map(Into::into).collect(),
        }
    }
}

fn phase_time((phase, milliseconds): (model::Phase, u64)) -> PhaseTime {
    PhaseTime { phase: phase.as_str().into(), milliseconds }
}

impl From<model::PackReport> for PackReport {
    fn from(report: model::PackReport) -> Self {
        let facts = report.facts.into_iter().map(|(name, fact)| (name.into(), fact.into())).collect();
        Self { buildpack: report.buildpack, facts, problem: report.problem }
    }
}

impl From<model::Fact> for Fact {
    fn from(fact: model::Fact) -> Self {
        match fact {
            model::Fact::Flag(flag) => Self::Flag(flag),
            model::Fact::Whole(number) => Self::Whole(number),
            model::Fact::Number(number) => Self::Number(number),
            model::Fact::Text(text) => Self::Text(text),
        }
    }
}

impl std::fmt::Display for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Whole(number) => number.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}
