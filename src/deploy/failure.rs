//! Every way a push can end without a release, before its build and after, and its words: what happened, what was
//! seen, what to do (conventions 3.3). Who has not got so far hears from the door (`transport/`) or, if what they sent
//! is not understood, from `git/`.

mod buildpack;
mod image;
mod lfs;
mod source;

use std::time::Duration;

use crate::build::{BuildError, builtin};
use crate::db::DbError;
use crate::docker::DockerError;
use crate::engine::{EngineError, Exit};
use crate::git::ReadError;
use crate::image::{KeepError, UnusableImage};
use crate::model::{BuildId, BuildStatus, Email, Limits, RefName};
use crate::release::ReleaseError;
use crate::slug::PackError;
use crate::stack::StackError;
use crate::transcript::{detail, section, size, warning};

pub use lfs::MissingLfs;

/// Why a push did not become a release.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    // Before anything is built, in the order of asking.
    #[error("the push is signed and sets config vars")]
    SignedConfig,
    /// It is being built already, and what signs this push would be kept with nothing.
    #[error("this commit is being built for a push that was not signed with this key")]
    BuiltOtherwiseSigned,
    #[error("the push is signed with the SSH key {fingerprint}, which is not one of {email}'s")]
    ForeignSignature { fingerprint: String, email: Email },
    #[error("{0} can't be deleted")]
    DeployBranchDeleted(RefName),
    #[error("main and master were pushed with different commits")]
    TwoDeploys,
    #[error("{0} is not a deploy branch, and the push is strict")]
    NotADeployBranch(RefName),
    /// The files themselves never came.
    #[error("files of Git LFS are missing")]
    LfsMissing(MissingLfs),
    #[error("too many builds of this app are waiting ({0})")]
    QueueFull(usize),
    /// Another push moved the ref while this one waited.
    #[error("{name} was moved by {by}")]
    Superseded { name: String, by: String },
    /// Another push of the same commit was faster. Not a failure for the pusher: they have what they wanted.
    #[error("this commit has been deployed already")]
    AlreadyDeployed,

    // In a build.
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
    Image(#[from] UnusableImage),
    #[error(transparent)]
    Docker(#[from] DockerError),
    #[error(transparent)]
    Keep(#[from] KeepError),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("{what}")]
    Io { what: &'static str, source: std::io::Error },
    #[error("the build stopped without a result: {0}")]
    Lost(String),
    #[error("cancelled: the pusher went away")]
    Cancelled,
    #[error("cancelled by {0}")]
    CancelledBy(Email),
    #[error("hoist was stopped while this build ran")]
    Stopped,
}

impl Failure {
    /// Tells whether it is hoist's own fault, which nobody but whoever runs it can mend. Only these are logged as errors.
    #[must_use]
    pub fn is_hoists_fault(&self) -> bool {
        match self {
            Self::Build(error) => error.is_hoists_fault(),
            Self::Docker(error) => !matches!(error, DockerError::Step(_)),
            Self::Keep(error) => !matches!(error, KeepError::TooLarge { .. }),
            Self::Slug(error) => matches!(error, PackError::Read(_) | PackError::Store(_)),
            Self::Release(error) => matches!(error, ReleaseError::Db(_)),
            Self::SignedConfig
            | Self::BuiltOtherwiseSigned
            | Self::ForeignSignature { .. }
            | Self::DeployBranchDeleted(_)
            | Self::TwoDeploys
            | Self::NotADeployBranch(_)
            | Self::LfsMissing(_)
            | Self::QueueFull(_)
            | Self::Superseded { .. }
            | Self::AlreadyDeployed
            | Self::Cancelled
            | Self::CancelledBy(_) => false,
            Self::Stack(_) | Self::Engine(_) | Self::Image(_) | Self::Db(_) | Self::Io { .. } | Self::Lost(_) | Self::Stopped => {
                true
            }
        }
    }

    /// What the build's outcome row says.
    #[must_use]
    pub fn status(&self) -> BuildStatus {
        match self {
            Self::Cancelled | Self::CancelledBy(_) | Self::Superseded { .. } | Self::AlreadyDeployed => BuildStatus::Cancelled,
            _ => BuildStatus::Failed,
        }
    }

    /// The reason beside `! [remote rejected]`.
    #[must_use]
    pub fn ref_reason(&self) -> String {
        match self {
            Self::SignedConfig | Self::ForeignSignature { .. } => "push certificate not accepted".into(),
            Self::DeployBranchDeleted(_) => "deletion of the deploy branch prohibited".into(),
            Self::TwoDeploys => "another branch of this push deploys".into(),
            Self::NotADeployBranch(_) => "not a deploy branch".into(),
            Self::Superseded { .. } | Self::Release(ReleaseError::Stale { .. }) => "fetch first".into(),
            _ if self.is_hoists_fault() => "hoist's fault, not yours".into(),
            // What git prints for every push that Heroku refuses.
            _ => "pre-receive hook declined".into(),
        }
    }

    /// What the pusher reads, line by line in Heroku's grammar. The build's id is what they can quote to whoever runs
    /// hoist.
    #[must_use]
    pub fn words(&self, limits: &Limits, build: Option<BuildId>) -> Vec<String> {
        if self.is_hoists_fault() {
            let mut lines = vec![
                warning(&format!("Push failed: {}", self.platform_words())),
                warning("This is hoist's fault, not yours. Nothing was released. Please try pushing again."),
            ];
            lines.extend(build.map(|id| warning(&format!("Request id: {id}"))));
            return lines;
        }
        let mut lines = self.reason(limits);
        if !self.stands_alone() {
            lines.extend([String::new(), warning("Push failed")]);
        }
        lines
    }

    /// Whether `Push failed` would add nothing.
    fn stands_alone(&self) -> bool {
        matches!(
            self,
            Self::SignedConfig
                | Self::BuiltOtherwiseSigned
                | Self::ForeignSignature { .. }
                | Self::DeployBranchDeleted(_)
                | Self::TwoDeploys
                | Self::NotADeployBranch(_)
                | Self::LfsMissing(_)
                | Self::AlreadyDeployed
                | Self::Build(BuildError::NoHerokuYml | BuildError::HerokuYml(_) | BuildError::Submodules(_))
        )
    }

    fn platform_words(&self) -> String {
        let words = match self {
            // Says what whoever runs hoist has to do.
            Self::Stack(error) => return error.to_string(),
            Self::Build(BuildError::Docker { error, .. }) | Self::Docker(error) => return image::engine_words(error),
            Self::Keep(_) => "the image could not be taken over from the Docker Engine",
            Self::Slug(_) => "slug archive could not be created",
            Self::Stopped => "hoist is being stopped",
            Self::Engine(_) | Self::Build(BuildError::Engine(_)) => "the build environment failed",
            Self::Db(_) | Self::Release(_) => "the release could not be recorded",
            _ => "the build could not be carried out",
        };
        words.to_owned()
    }

    /// What is the pusher's to mend.
    pub(super) fn reason(&self, limits: &Limits) -> Vec<String> {
        match self {
            Self::SignedConfig => vec![
                "!\tPush rejected: what is signed is kept for all to read who see the app, and so would be -o config:KEY=VALUE."
                    .into(),
                "!\tSet the config vars with `hoist config:set`, or push with --no-signed.".into(),
            ],
            Self::BuiltOtherwiseSigned => vec![
                format!("!\tPush rejected: {self}."),
                "!\tPush again when that build has ended, or with --no-signed to see its log.".into(),
            ],
            Self::ForeignSignature { .. } => vec![
                format!("!\tPush rejected: {self}."),
                "!\tAdd the key with `hoist keys:add FILE`, sign with another one, or push with --no-signed.".into(),
            ],
            Self::DeployBranchDeleted(name) => vec![
                format!("!\tPush rejected, cannot delete {} branch", name.branch().unwrap_or(name.as_str())),
                "!\tIt is what the app was deployed from. Push another commit to it, or `hoist apps:destroy` the app.".into(),
            ],
            Self::TwoDeploys => vec![
                "!\tmain and master were pushed with different commits: only the first is deployed. Push one of them.".into(),
            ],
            Self::NotADeployBranch(name) => {
                let branch = name.branch().unwrap_or(name.as_str());
                vec![
                    "!\tPushed to branch other than [main, master], and -o strict was given.".into(),
                    format!("!\tPush it as {branch}:main to deploy it, or without -o strict to keep it only."),
                ]
            }
            Self::LfsMissing(missing) => missing.words(),
            Self::QueueFull(most) => vec![
                warning(&format!("Too many builds of this app are waiting already: at most {most} may.")),
                warning("Wait until some of them have ended (`hoist builds` lists them), then push again."),
            ],
            Self::Superseded { name, by } => vec![
                warning(&format!("{name} was moved by {by} since this push began.")),
                warning("This push was not built. Fetch, merge, and push again."),
            ],
            Self::AlreadyDeployed => {
                vec![detail("Another push has deployed this commit meanwhile: there is nothing to do."), String::new()]
            }
            Self::Cancelled => vec![
                warning("The build was cancelled: its pusher went away, and had pushed with -o cancel-on-disconnect."),
                warning("Nothing was released. Push again to build it."),
            ],
            Self::CancelledBy(email) => vec![warning(&format!("The build was cancelled by {email}. Nothing was released."))],
            Self::Build(error) => build_words(error, limits),
            Self::Slug(error) => slug_words(error, limits),
            Self::Keep(_) => image::size_words(limits),
            Self::Release(error @ ReleaseError::Stale { .. }) => {
                vec![warning(&format!("{error} since this push began. Fetch, merge, and push again."))]
            }
            Self::Release(error) => vec![
                warning(&format!("The push's config can't be set: {error}.")),
                warning("Mend the `-o config:KEY=VALUE` and push again."),
            ],
            Self::Stack(_)
            | Self::Engine(_)
            | Self::Docker(_)
            | Self::Image(_)
            | Self::Db(_)
            | Self::Io { .. }
            | Self::Lost(_)
            | Self::Stopped => {
                vec![warning(&self.platform_words())]
            }
        }
    }
}

fn build_words(error: &BuildError, limits: &Limits) -> Vec<String> {
    match error {
        BuildError::NothingDetected => vec![
            warning("No default language could be detected for this app."),
            "\t\t\tHINT: This occurs when hoist cannot detect the buildpack to use for this application automatically.".into(),
            format!("\t\t\tLooked for: {}.", builtin::names().join(", ")),
            "\t\t\tSee https://devcenter.heroku.com/articles/buildpacks".into(),
        ],
        BuildError::Incompatible { buildpack, output } => {
            let mut lines = vec![section(&format!("App not compatible with buildpack: {}", buildpack.shown()))];
            lines.extend(output.lines().map(detail));
            lines.extend([String::new(), String::new()]);
            lines.push(detail("More info: https://devcenter.heroku.com/articles/buildpacks#buildpack-auto-detection"));
            lines
        }
        BuildError::Compile { language, exit } => exit_words(language, *exit, limits),
        BuildError::Release { buildpack, why } => {
            let mut lines = vec![warning(&format!("bin/release of {} gave no process types:", buildpack.shown()))];
            lines.extend(why.lines().map(detail));
            lines.push(warning("It has to exit with 0 and print YAML: `default_process_types:` and, below, `web: COMMAND`."));
            lines.push(warning("Mend the buildpack, or set another one with `hoist buildpacks:set`, and push again."));
            lines
        }
        BuildError::BadBuildpack { told_by, why } => buildpack::bad_words(told_by, why),
        BuildError::NoSuchBuildpack(name) => buildpack::missing_words(name),
        BuildError::Pack { buildpack: name, error } => buildpack::fetch_words(name, error, limits),
        BuildError::NoScript { buildpack: name, script, is_there } => buildpack::script_words(name, script, *is_there),
        BuildError::NoHerokuYml
        | BuildError::HerokuYml(_)
        | BuildError::NoDockerfile { .. }
        | BuildError::Dockerignore { .. }
        | BuildError::Docker { .. }
        | BuildError::ImageTime(_)
        | BuildError::SourceTime => image::build_words(error, limits),
        BuildError::Archive(error) => source::archive_words(error, limits),
        BuildError::Fetch(error) => source::fetch_words(error, limits),
        BuildError::Remote(error) => source::remote_words(error),
        BuildError::Submodules(error) => source::submodule_words(error),
        BuildError::Slugignore(why) => vec![
            warning(&format!(".slugignore can't be read: {why}.")),
            warning("Each of its lines is a pattern as in .gitignore. Mend .slugignore, commit, and push again."),
        ],
        BuildError::Procfile(why) => vec![warning(&format!("{why}. Mend the Procfile and push again."))],
        BuildError::Root(why) => source::bad_root_words(why),
        BuildError::Export(error) => export_words(error, limits),
        // hoist's own faults, whose words are in `platform_words`.
        BuildError::Engine(_) | BuildError::Io { .. } => vec![warning(&error.to_string())],
    }
}

fn export_words(error: &ReadError, limits: &Limits) -> Vec<String> {
    match error {
        ReadError::SourceTooLarge { .. } | ReadError::TooManyFiles { .. } => {
            let (bytes, files) = (size(limits.source_bytes), limits.source_files);
            vec![
                warning(&format!("The source is too large: at most {bytes} and {files} files are built.")),
                warning("Remove what the app does not need from the repository, or name it in .slugignore."),
            ]
        }
        ReadError::FileTooLarge { path, limit } => {
            vec![warning(&format!("{path} is larger than {}, the most that is read. Shorten it and push again.", size(*limit)))]
        }
        ReadError::Unusable { path, why } => vec![
            warning(&format!("{} can't be put into a build: {why}.", path.escape_debug())),
            warning("Rename or remove it, commit, and push again."),
        ],
        ReadError::NoFolder(root) => source::root_words(root),
        // hoist's own faults, whose words are in `platform_words`.
        ReadError::Missing { .. } | ReadError::Store(_) | ReadError::Output(_) => vec![warning(&error.to_string())],
    }
}

fn slug_words(error: &PackError, limits: &Limits) -> Vec<String> {
    match error {
        PackError::TooLarge { size_bytes, .. } => {
            let (is, max) = (size(*size_bytes), size(limits.slug_bytes));
            vec![
                warning(&format!("Compiled slug size: {is} is too large (max is {max}).")),
                warning("See: http://devcenter.heroku.com/articles/slug-size"),
            ]
        }
        PackError::BadFolder(why) => vec![
            warning(&format!("The built app can't be packed: {}.", why.to_string().escape_debug())),
            warning("A buildpack has to leave the app in its build folder. Mend it, or set another one with"),
            warning("`hoist buildpacks:set`, and push again."),
        ],
        error => vec![warning(&format!("The built app can't be packed: {error}"))],
    }
}

fn exit_words(language: &str, exit: Exit, limits: &Limits) -> Vec<String> {
    match exit {
        Exit::TimedOut => vec![
            warning(&format!("Timed out compiling {language} app ({})", in_words(limits.build_time))),
            warning("See https://devcenter.heroku.com/articles/slug-compiler#time-limit"),
        ],
        Exit::OutOfMemory => vec![
            "ERROR: Build terminated: Out Of Memory".into(),
            warning(&format!("The build used more than {} of memory.", size(limits.build_memory_bytes))),
        ],
        Exit::OutOfDisk => vec![
            "ERROR: Build terminated: Out Of Disk".into(),
            warning(&format!("The build wrote more than {} to disk.", size(limits.build_disk_bytes))),
        ],
        Exit::OutOfPids => vec![
            "ERROR: Build terminated: Too Many Processes".into(),
            warning(&format!("The build ran more than {} processes and threads at once.", limits.build_pids)),
        ],
        Exit::Code(_) | Exit::Signal(_) => vec![warning(&format!("Push rejected, failed to compile {language} app."))],
    }
}

/// A time in words: `15 minutes`.
pub(super) fn in_words(time: Duration) -> String {
    let (count, unit) = match time.as_secs() {
        secs if secs > 0 && secs % 3600 == 0 => (secs / 3600, "hour"),
        secs if secs > 0 && secs % 60 == 0 => (secs / 60, "minute"),
        secs => (secs, "second"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_largest_whole_unit() {
        let words = [1, 2, 60, 90, 900, 3600, 5400].map(|secs| in_words(Duration::from_secs(secs)));
        assert_eq!(words, ["1 second", "2 seconds", "1 minute", "90 seconds", "15 minutes", "1 hour", "90 minutes"]);
    }
}
