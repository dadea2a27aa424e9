//! From a source tree to a built app in an environment: Heroku's classic buildpack contract (conventions 3.5 to 3.7).
//!
//! In the order of a build: `source`, `archive` and `remote` (the tree, less what `.slugignore` names), `env_dir` (config vars as files),
//! `cache` and `cache_folders` (what the last good build left), `source_folders` (its source, for the next one), `start` (over both), `choose`, `select` and `detect` (which buildpacks), `compile`, and
//! `process_types`. `report` asks each pack what it has to say. `script` runs one script of a buildpack; `found` is one whose files
//! are at hand, `builtin` holds those that come with hoist, and `official` knows where Heroku's are.
//!
//! `remote::keep_remote` makes an archive of another server's commit.
//!
//! `dockerfile` is the other road: from a source tree to images, as heroku.yml says. `silence` is on both.

mod archive;
pub mod builtin;
mod cache;
mod cache_folders;
mod choose;
mod compile;
mod detect;
mod dockerfile;
mod env_dir;
mod found;
mod official;
mod process_types;
mod remote;
mod report;
mod script;
mod select;
mod silence;
mod source;
mod source_folders;
mod start;
mod tar_header;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::docker::DockerError;
use crate::engine::{EngineError, Environment, Exit};
use crate::fetch::FetchError;
use crate::git::ReadError;
use crate::model::{AppId, BuildpackRef, DockerfilePath, Invalid, PackReport, ProcessType, StackName};
use crate::transcript::Transcript;

pub use archive::{ArchiveError, ArchiveSource, ManifestFiles, Origin, keep_archive, keep_pack_archive, read_manifest_files};
pub use cache::{restore_cache, save_cache};
pub use cache_folders::{CacheFolder, CacheFolders};
pub use choose::choose_buildpacks;
pub use compile::{Compiled, compile, test_command, test_compile};
pub use detect::Detected;
pub use dockerfile::{ImagesBuild, Tree, read_heroku_yml};
pub use env_dir::put_env_dir;
pub use found::FoundPack;
pub use official::official_place;
pub use process_types::{Discovered, ForNewApp, discover_process_types};
pub use remote::{
    LfsError, PackRepository, RemoteError, RemoteSource, SubmoduleAccess, SubmoduleError, find_pack, find_remote_ref, keep_pack,
    keep_remote,
};
pub use select::select;
pub use source::{GitSource, Means, Source, put_source};
pub use source_folders::{SourceFolders, TakenSource};
pub use start::{Started, start};

/// The cache folder, by the name that packs know from Heroku.
const CACHE_DIR: &str = "/tmp/codon/tmp/cache";
const ENV_DIR: &str = "/tmp/env";
const PACKS_DIR: &str = "/tmp/buildpacks";

/// A build under way: where it runs, and what its scripts are told.
#[derive(Debug)]
pub struct Build<'a> {
    pub environment: &'a Environment,
    pub transcript: &'a Transcript,
    /// `BUILD_DIR`.
    pub dir: String,
    pub stack: &'a StackName,
    /// What the image sets that the stack was pulled from.
    pub stack_env: &'a BTreeMap<String, String>,
    /// What the source's author calls it, for `SOURCE_VERSION`.
    pub source_version: Option<&'a str>,
    pub request_id: String,
    /// When the build's time is over, see [`Build::in_time`].
    pub deadline: Instant,
    /// The build's whole time, for the message.
    pub time_limit: Duration,
    /// Silence after which a note is printed.
    pub silence: Duration,
    /// What the pack that compiles, or the last one that did, calls the app; for the message of a time-out.
    pub language: Mutex<Option<String>>,
    /// What the packs have reported so far.
    pub reports: Mutex<Vec<PackReport>>,
}

/// An app's `BUILD_DIR`: `/tmp/build_<8 hex>` as at Heroku, but the same for every build of an app. Packs write this path
/// into what they build, and one that changed with every build would make every slug differ.
#[must_use]
pub fn dir_of(app: AppId) -> String {
    let id = app.to_string();
    format!("/tmp/build_{}", &id[..8])
}

impl Build<'_> {
    /// Does `work`, or drops it when the build's time is over. Scripts have no more time than that anyway; this is for
    /// everything around them.
    pub async fn in_time<T, E: From<BuildError>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        timeout_at(self.deadline, work).await.unwrap_or_else(|_| Err(self.cut_off(Exit::TimedOut).into()))
    }

    /// The failure of a build that ran into a limit. Before anything is detected, it is "the app" that did.
    fn cut_off(&self, exit: Exit) -> BuildError {
        let language = self.language.lock().unwrap_or_else(PoisonError::into_inner).clone();
        BuildError::Compile { language: language.unwrap_or_else(|| "the".to_owned()), exit }
    }

    /// What the packs have reported, also when one of them has failed.
    #[must_use]
    pub fn take_reports(&self) -> Vec<PackReport> {
        std::mem::take(&mut *self.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add_report(&self, report: PackReport) {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
    }

    fn set_language(&self, language: &str) {
        *self.language.lock().unwrap_or_else(PoisonError::into_inner) = Some(language.to_owned());
    }
}

/// Why a build ended without an app. All but the last two, and what a Docker Engine fails in, are the pusher's to mend, or
/// another git server's.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("the source can't be exported: {0}")]
    Export(#[from] ReadError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("the source can't be fetched: {0}")]
    Fetch(FetchError),
    #[error("the commit can't be fetched: {0}")]
    Remote(#[from] RemoteError),
    /// Those of a commit that was pushed.
    #[error("the submodules can't be fetched: {0}")]
    Submodules(#[source] RemoteError),
    /// What is to be the app's folder can't be one.
    #[error(transparent)]
    Root(Invalid),
    #[error(".slugignore can't be read: {0}")]
    Slugignore(String),
    /// Whoever names it is not somebody who can be told at the door.
    #[error("{told_by}: {why}")]
    BadBuildpack { told_by: String, why: Invalid },
    #[error("there is no buildpack {0}")]
    NoSuchBuildpack(BuildpackRef),
    /// As a source that has to be fetched can fail.
    #[error("the buildpack {} can't be fetched: {}", .buildpack.shown(), .error.why())]
    Pack {
        buildpack: BuildpackRef,
        #[source]
        error: Arc<BuildError>,
    },
    #[error("the buildpack {} has no {script} that can be run", .buildpack.shown())]
    NoScript { buildpack: BuildpackRef, script: &'static str, is_there: bool },
    #[error("no buildpack detected the app")]
    NothingDetected,
    #[error("{} does not apply to this app", .buildpack.shown())]
    Incompatible { buildpack: BuildpackRef, output: String },
    #[error("failed to compile {language} app")]
    Compile { language: String, exit: Exit },
    #[error("bin/release of {} failed: {why}", .buildpack.shown())]
    Release { buildpack: BuildpackRef, why: String },
    #[error(transparent)]
    Procfile(Invalid),
    #[error("there is no heroku.yml")]
    NoHerokuYml,
    #[error("heroku.yml: {0}")]
    HerokuYml(Invalid),
    #[error("heroku.yml: build.docker.{image}: there is no {path}")]
    NoDockerfile { image: ProcessType, path: DockerfilePath },
    #[error("{path} can't be read: {why}")]
    Dockerignore { path: String, why: String },
    #[error("the image of {image} can't be built: {error}")]
    Docker {
        image: ProcessType,
        #[source]
        error: DockerError,
    },
    #[error("the image of {0} was not built in time")]
    ImageTime(ProcessType),
    #[error("the source did not come in time")]
    SourceTime,
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{what}")]
    Io { what: &'static str, source: std::io::Error },
}

impl BuildError {
    /// Whether it is hoist's own fault, or that of what it builds with.
    #[must_use]
    pub fn is_hoists_fault(&self) -> bool {
        match self {
            Self::Export(error) => !error.is_pushers_fault(),
            Self::Remote(error) | Self::Submodules(error) => error.is_hoists_fault(),
            Self::Pack { error, .. } => error.is_hoists_fault(),
            Self::Docker { error, .. } => !matches!(error, DockerError::Step(_)),
            error => matches!(error, Self::Engine(_) | Self::Io { .. }),
        }
    }

    /// Why something could not be fetched, without what that was.
    #[must_use]
    pub fn why(&self) -> String {
        match self {
            Self::Fetch(error) => error.to_string(),
            Self::Remote(error) => error.to_string(),
            Self::Export(error) => error.to_string(),
            error => error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, Kind, Settings, Spec};
    use crate::transcript::Redactor;

    #[tokio::test]
    async fn what_never_ends_ends_with_the_builds_time() {
        let dir = tempfile::tempdir().unwrap();
        let (work_dir, allow_networks) = (dir.path().join("work"), Vec::new());
        let settings = Settings { kind: Kind::Local, helper: "/no".into(), work_dir, ca_bundle: None, allow_networks };
        let name = "build".to_owned();
        let spec = Spec { root: "/no".into(), name, memory_bytes: 0, pids: 0, cpus: 0, disk_bytes: 0, network: false };
        let build = Build {
            environment: &Engine::open(settings).await.unwrap().start(spec).await.unwrap(),
            transcript: &Transcript::create(&dir.path().join("log"), 1 << 20, Redactor::new([])).unwrap(),
            dir: dir_of(AppId::new()),
            stack: &"debian-12".parse().unwrap(),
            stack_env: &BTreeMap::new(),
            source_version: None,
            request_id: String::new(),
            deadline: Instant::now(),
            time_limit: Duration::ZERO,
            silence: Duration::MAX,
            language: Mutex::default(),
            reports: Mutex::default(),
        };
        let (_never_closed, endless) = tokio::io::duplex(1);
        let put_in = async { Ok(build.environment.put_in("/app", endless).await?) };
        let failed: Result<(), BuildError> = build.in_time(put_in).await;
        assert_eq!(failed.unwrap_err().to_string(), "failed to compile the app");
        build.set_language("Ruby");
        let failed = build.in_time(std::future::pending::<Result<(), BuildError>>()).await.unwrap_err();
        assert!(matches!(failed, BuildError::Compile { language, exit: Exit::TimedOut } if language == "Ruby"));
    }
}
