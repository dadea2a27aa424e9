//! From a source tree to a built app in an environment: Heroku's classic buildpack contract (conventions 3.5 to 3.7).
//!
//! In the order of a build: `source` (the tree, less what `.slugignore` names), `env_dir` (config vars as files),
//! `cache` (what the last good build left), `select` and `detect` (which buildpacks), `compile`, and
//! `process_types`. `script` runs one script of a buildpack; `builtin` holds the buildpacks that come with hoist.

pub mod builtin;
mod cache;
mod compile;
mod detect;
mod env_dir;
mod process_types;
mod script;
mod select;
mod source;

use std::time::Duration;

use tokio::time::Instant;

use crate::engine::{EngineError, Environment, Exit};
use crate::git::ReadError;
use crate::model::{AppId, BuildpackRef, CommitId, Invalid, StackName};
use crate::transcript::Transcript;

pub use cache::{restore_cache, save_cache};
pub use compile::{Compiled, compile};
pub use detect::Detected;
pub use env_dir::put_env_dir;
pub use process_types::discover_process_types;
pub use select::select;
pub use source::{GitSource, put_source};

/// The cache folder, by the name that packs know from Heroku.
const CACHE_DIR: &str = "/tmp/codon/tmp/cache";
const ENV_DIR: &str = "/tmp/env";
const PACKS_DIR: &str = "/tmp/buildpacks";

/// A build under way: where it runs, and what its scripts are told.
#[derive(Debug)]
pub struct Build<'a> {
    pub environment: &'a Environment,
    pub transcript: &'a Transcript,
    pub app: AppId,
    pub stack: &'a StackName,
    pub commit: Option<&'a CommitId>,
    pub request_id: String,
    /// When the build's time is over.
    pub deadline: Instant,
    /// The build's whole time, for the message.
    pub time_limit: Duration,
    /// Silence after which a note is printed.
    pub silence: Duration,
}

impl Build<'_> {
    /// `BUILD_DIR`: `/tmp/build_<8 hex>` as at Heroku, but the same for every build of an app. Packs write this path
    /// into what they build, and one that changed with every build would make every slug differ.
    #[must_use]
    pub fn dir(&self) -> String {
        let id = self.app.to_string();
        format!("/tmp/build_{}", &id[..8])
    }
}

/// Why a build ended without an app. All but the last two are the pusher's to mend.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("the source can't be exported: {0}")]
    Export(#[from] ReadError),
    #[error("the app has git submodules: {}", .0.join(", "))]
    Submodules(Vec<String>),
    #[error(".slugignore can't be read: {0}")]
    Slugignore(String),
    #[error("there is no buildpack {0}")]
    NoSuchBuildpack(BuildpackRef),
    #[error("no buildpack detected the app")]
    NothingDetected,
    #[error("{buildpack} does not apply to this app")]
    Incompatible { buildpack: BuildpackRef, output: String },
    #[error("failed to compile {language} app")]
    Compile { language: String, exit: Exit },
    #[error("bin/release of {buildpack} failed: {why}")]
    Release { buildpack: BuildpackRef, why: String },
    #[error(transparent)]
    Procfile(Invalid),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{what}")]
    Io { what: &'static str, source: std::io::Error },
}
