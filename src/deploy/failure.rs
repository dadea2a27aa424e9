//! Every way a build can fail, and its words: what happened, what was seen, what to do (conventions 3.3).

use std::time::Duration;

use crate::build::{BuildError, builtin};
use crate::db::DbError;
use crate::engine::{EngineError, Exit};
use crate::git::ReadError;
use crate::model::{BuildStatus, Limits};
use crate::release::ReleaseError;
use crate::slug::PackError;
use crate::stack::StackError;
use crate::transcript::{Transcript, size};

/// Why a build did not become a release.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Slug(#[from] PackError),
    #[error(transparent)]
    Release(#[from] ReleaseError),
    #[error(transparent)]
    Stack(#[from] StackError),
    #[error("the build environment failed")]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("{what}")]
    Io { what: &'static str, source: std::io::Error },
    #[error("the build stopped without a result: {0}")]
    Lost(String),
    /// Another push moved the ref while this one waited.
    #[error("{name} was moved by {by}")]
    Superseded { name: String, by: String },
    /// Another push of the same commit was faster. Not a failure for the pusher: they have what they wanted.
    #[error("this commit has been deployed already")]
    AlreadyDeployed,
    #[error("too many builds of this app are waiting ({0})")]
    QueueFull(usize),
    #[error("cancelled: the pusher went away")]
    Cancelled,
    #[error("hoist was stopped while this build ran")]
    Stopped,
}

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Pusher,
    Hoist,
}

impl Failure {
    /// Tells whose fault it is. Only hoist's own are logged as errors.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let pushers = match self {
            Self::Build(BuildError::Export(error)) => error.is_pushers_fault(),
            Self::Build(error) => !matches!(error, BuildError::Engine(_) | BuildError::Io { .. }),
            Self::Slug(error) => !matches!(error, PackError::Read(_) | PackError::Store(_)),
            Self::Release(error) => !matches!(error, ReleaseError::Db(_)),
            Self::Superseded { .. } | Self::AlreadyDeployed | Self::QueueFull(_) | Self::Cancelled => true,
            Self::Stack(_) | Self::Engine(_) | Self::Db(_) | Self::Io { .. } | Self::Lost(_) | Self::Stopped => false,
        };
        if pushers { Fault::Pusher } else { Fault::Hoist }
    }

    /// What the build's outcome row says.
    #[must_use]
    pub fn status(&self) -> BuildStatus {
        match self {
            Self::Cancelled | Self::Superseded { .. } | Self::AlreadyDeployed => BuildStatus::Cancelled,
            _ => BuildStatus::Failed,
        }
    }

    /// The reason beside `! [remote rejected]`.
    #[must_use]
    pub fn ref_reason(&self) -> String {
        match self {
            Self::Superseded { .. } | Self::Release(ReleaseError::Stale { .. }) => "fetch first".into(),
            _ if self.fault() == Fault::Hoist => "hoist's fault, not yours".into(),
            // What git prints for every push that Heroku refuses.
            _ => "pre-receive hook declined".into(),
        }
    }

    /// Writes the failure into the transcript. `id` is what the pusher can quote to whoever runs hoist.
    pub fn write(&self, transcript: &Transcript, limits: &Limits, id: &str) {
        if self.fault() == Fault::Hoist {
            transcript.warning(&format!("Push failed: {}", self.platform_words()));
            transcript.warning("This is hoist's fault, not yours. Nothing was released. Please try pushing again.");
            transcript.warning(&format!("Request id: {id}"));
            return;
        }
        if matches!(self, Self::AlreadyDeployed) {
            transcript.detail("Another push has deployed this commit meanwhile: there is nothing to do.");
            transcript.line("");
            return;
        }
        self.write_reason(transcript, limits);
        transcript.line("");
        transcript.warning("Push failed");
    }

    fn platform_words(&self) -> String {
        let words = match self {
            // Says what whoever runs hoist has to do.
            Self::Stack(error) => return error.to_string(),
            Self::Slug(_) => "slug archive could not be created",
            Self::Stopped => "hoist is being stopped",
            Self::Engine(_) | Self::Build(BuildError::Engine(_)) => "the build environment failed",
            Self::Db(_) | Self::Release(_) => "the release could not be recorded",
            _ => "the build could not be carried out",
        };
        words.to_owned()
    }

    fn write_reason(&self, transcript: &Transcript, limits: &Limits) {
        match self {
            Self::Build(error) => write_build_error(error, transcript, limits),
            Self::Slug(PackError::TooLarge { size_bytes, .. }) => {
                let (is, max) = (size(*size_bytes), size(limits.slug_bytes));
                transcript.warning(&format!("Compiled slug size: {is} is too large (max is {max})."));
                transcript.warning("See: http://devcenter.heroku.com/articles/slug-size");
            }
            Self::Slug(error) => transcript.warning(&format!("The built app can't be packed: {error}")),
            Self::Superseded { name, by } => {
                transcript.warning(&format!("{name} was moved by {by} since this push began."));
                transcript.warning("This push was not built. Fetch, merge, and push again.");
            }
            Self::Release(error @ ReleaseError::Stale { .. }) => {
                transcript.warning(&format!("Not released: {error} since this push began. Fetch, merge, and push again."));
            }
            other => transcript.warning(&format!("Push rejected: {other}.")),
        }
    }
}

fn write_build_error(error: &BuildError, transcript: &Transcript, limits: &Limits) {
    match error {
        BuildError::NothingDetected => {
            transcript.warning("No default language could be detected for this app.");
            transcript.line(
                "\t\t\tHINT: This occurs when hoist cannot detect the buildpack to use for this application automatically.",
            );
            transcript.line(&format!("\t\t\tLooked for: {}.", builtin::names().join(", ")));
            transcript.line("\t\t\tSee https://devcenter.heroku.com/articles/buildpacks");
        }
        BuildError::Incompatible { buildpack, output } => {
            transcript.section(&format!("App not compatible with buildpack: {buildpack}"));
            for line in output.lines() {
                transcript.detail(line);
            }
            transcript.line("");
            transcript.line("");
            transcript.detail("More info: https://devcenter.heroku.com/articles/buildpacks#buildpack-auto-detection");
        }
        BuildError::Compile { language, exit } => write_exit(language, *exit, transcript, limits),
        BuildError::NoSuchBuildpack(buildpack) => {
            transcript.warning(&format!("There is no buildpack {buildpack}."));
            transcript.warning(&format!("hoist comes with: {}.", builtin::names().join(", ")));
        }
        BuildError::Submodules(paths) => {
            transcript.line("!\tPush rejected, submodule install failed");
            transcript.warning(&format!("This app has git submodules ({}), which hoist does not fetch.", paths.join(", ")));
            transcript.warning("Commit their files into the app instead, for example with `git subtree add`.");
        }
        BuildError::Export(ReadError::SourceTooLarge { .. } | ReadError::TooManyFiles { .. }) => {
            let (bytes, files) = (size(limits.source_bytes), limits.source_files);
            transcript.warning(&format!("The source is too large: at most {bytes} and {files} files are built."));
            transcript.warning("Remove what the app does not need from the repository, or name it in .slugignore.");
        }
        BuildError::Procfile(why) => transcript.warning(&format!("{why}. Mend the Procfile and push again.")),
        other => transcript.warning(&format!("Push rejected: {other}.")),
    }
}

fn write_exit(language: &str, exit: Exit, transcript: &Transcript, limits: &Limits) {
    match exit {
        Exit::TimedOut => {
            transcript.warning(&format!("Timed out compiling {language} app ({})", minutes(limits.build_time)));
            transcript.warning("See https://devcenter.heroku.com/articles/slug-compiler#time-limit");
        }
        Exit::OutOfMemory => {
            transcript.line("ERROR: Build terminated: Out Of Memory");
            transcript.warning(&format!("The build used more than {} of memory.", size(limits.build_memory_bytes)));
        }
        Exit::OutOfDisk => {
            transcript.line("ERROR: Build terminated: Out Of Disk");
            transcript.warning(&format!("The build wrote more than {} to disk.", size(limits.build_disk_bytes)));
        }
        Exit::OutOfPids => {
            transcript.line("ERROR: Build terminated: Too Many Processes");
            transcript.warning(&format!("The build ran more than {} processes and threads at once.", limits.build_pids));
        }
        Exit::Code(_) | Exit::Signal(_) => transcript.warning(&format!("Push rejected, failed to compile {language} app.")),
    }
}

fn minutes(time: Duration) -> String {
    match time.as_secs() {
        60 => "1 minute".into(),
        secs if secs % 60 == 0 => format!("{} minutes", secs / 60),
        secs => format!("{secs} seconds"),
    }
}
