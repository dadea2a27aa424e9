//! One command of a release in an environment of its own, and every way it can end badly, with its words.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::Failure;
use super::failure::in_words;
use super::program::{Program, Runs};
use super::rendezvous::Attached;
use super::site::Site;
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::engine::{Exit, Spec};
use crate::image::{self, UnusableImage};
use crate::model::{ConfigVars, ImageConfig, Invalid, Limits, SlugId};
use crate::run::{self, Process};
use crate::transcript::{Transcript, size, warning};
use crate::{slug, stack};

/// What is to be run.
#[derive(Debug)]
pub(super) struct Job<'a> {
    /// `release.3`
    pub(super) name: &'a str,
    pub(super) program: &'a Program,
    pub(super) config: &'a ConfigVars,
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) time: Duration,
}

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ProcessFailure {
    /// It ended by itself, but not with 0, or ran into a limit.
    #[error("{}", reason_of(*.0))]
    Exit(Exit),
    /// A release that is not to become current any more.
    #[error("{0}")]
    Expired(String),
    /// The image can't be run, and whoever made it is to mend it.
    #[error("the image can't be used: {0}")]
    Unfit(Invalid),
    #[error("it was cancelled")]
    Cancelled,
    /// Whoever was attached has gone away.
    #[error("its user went away")]
    Left,
    #[error("nobody attached to it")]
    NotAttached,
    #[error("hoist was stopped while it ran")]
    Stopped,
    /// hoist's own fault.
    #[error(transparent)]
    Platform(#[from] Failure),
}

impl ProcessFailure {
    /// The exit status, as a shell has it, if the command ended by itself.
    #[must_use]
    pub fn exit_status(&self) -> Option<i32> {
        match self {
            Self::Exit(Exit::Code(code)) => Some(*code),
            Self::Exit(Exit::Signal(signal)) => Some(128 + signal),
            _ => None,
        }
    }

    /// How metrics name it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Exit(_) | Self::Unfit(_) => "failed",
            Self::Expired(_) => "expired",
            Self::Cancelled | Self::Left | Self::NotAttached | Self::Stopped => "cancelled",
            Self::Platform(_) => "error",
        }
    }

    /// What happened and what was seen, for the end of the output. `what` is the subject: `Release command`.
    pub(super) fn words(&self, what: &str, time: Duration, limits: &Limits) -> Vec<String> {
        let lines = match self {
            Self::Exit(Exit::Code(code)) => vec![format!("{what} failed with exit code {code}.")],
            Self::Exit(Exit::Signal(signal)) => vec![format!("{what} was ended by signal {signal}.")],
            Self::Exit(Exit::TimedOut) => vec![format!("{what} timed out ({}).", in_words(time))],
            Self::Exit(Exit::OutOfMemory) => {
                vec![format!("{what} was ended: it used more than {} of memory.", size(limits.build_memory_bytes))]
            }
            Self::Exit(Exit::OutOfDisk) => {
                vec![format!("{what} was ended: it wrote more than {} to disk.", size(limits.build_disk_bytes))]
            }
            Self::Exit(Exit::OutOfPids) => {
                vec![format!("{what} was ended: it ran more than {} processes and threads at once.", limits.build_pids)]
            }
            Self::Expired(why) => vec![format!("{what} has come too late: {why}.")],
            Self::Unfit(why) => vec![
                format!("{what} could not be run, because the image can't be used: {why}."),
                "Build the image again, push it and release it.".to_owned(),
            ],
            Self::Cancelled => vec![format!("{what} was cancelled.")],
            Self::Left | Self::NotAttached => vec![format!("{what} was ended: {self}.")],
            Self::Stopped => vec![format!("{what} was ended, because hoist was stopped.")],
            Self::Platform(failure) => vec![
                format!("{what} could not be run: {failure}."),
                "This is hoist's fault, not yours. Please try again.".to_owned(),
            ],
        };
        lines.iter().map(|line| warning(line)).collect()
    }
}

/// The ledger's reason, in one line.
fn reason_of(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("ended by signal {signal}"),
        Exit::TimedOut => "it timed out".into(),
        Exit::OutOfMemory => "out of memory".into(),
        Exit::OutOfDisk => "out of disk".into(),
        Exit::OutOfPids => "too many processes".into(),
    }
}

/// Runs a job in `slot`, its output going to the transcript. May be dropped at any point: that ends it.
pub(super) async fn run_job(
    ctx: &Ctx,
    job: &Job<'_>,
    transcript: &Transcript,
    slot: OwnedSemaphorePermit,
) -> Result<(), ProcessFailure> {
    let (site, program) = open_site_in_time(ctx, job, slot).await?;
    let exit = run::run(site.environment(), &job.process(&program), transcript).await.map_err(Failure::from)?;
    outcome(exit)
}

/// Runs a job in `slot` for somebody who is attached to it.
pub(super) async fn run_job_attached(
    ctx: &Ctx,
    job: &Job<'_>,
    attached: &mut Attached,
    slot: OwnedSemaphorePermit,
) -> Result<(), ProcessFailure> {
    let Attached { input, output, receiver, terminal, .. } = attached;
    let work = async {
        let (site, program) = open_site_in_time(ctx, job, slot).await?;
        let exit = run::run_attached(site.environment(), &job.process(&program), *terminal, input, output).await;
        let exit = exit.map_err(Failure::from)?;
        exit.map_or(Err(ProcessFailure::Left), outcome)
    };
    tokio::select! {
        outcome = work => outcome,
        () = receiver.receive() => Err(ProcessFailure::Left),
    }
}

fn outcome(exit: Exit) -> Result<(), ProcessFailure> {
    match exit {
        Exit::Code(0) => Ok(()),
        exit => Err(ProcessFailure::Exit(exit)),
    }
}

impl<'a> Job<'a> {
    fn process(&self, program: &'a run::Program) -> Process<'a> {
        Process { name: self.name, program, config: self.config, env: self.env, time: self.time }
    }
}

/// An environment, and what is to be started in it.
type Opened = (Site, run::Program);

/// Unpacking a slug or an image may take no longer than its command may.
async fn open_site_in_time(ctx: &Ctx, job: &Job<'_>, slot: OwnedSemaphorePermit) -> Result<Opened, ProcessFailure> {
    match tokio::time::timeout(job.time, open_site(ctx, job, slot)).await {
        Ok(opened) => opened,
        Err(_late) => Err(ProcessFailure::Exit(Exit::TimedOut)),
    }
}

async fn open_site(ctx: &Ctx, job: &Job<'_>, slot: OwnedSemaphorePermit) -> Result<Opened, ProcessFailure> {
    match job.program {
        Program::Slug { slug, command } => {
            let (site, env) = open_site_of_slug(ctx, job.name, *slug, slot).await?;
            Ok((site, run::Program::Slug { command: command.clone(), env }))
        }
        Program::Image { image, runs } => {
            let image = image::read(&ctx.store, &image.digest).await?;
            let program = program_of_image(&image.config, runs);
            Ok((open_site_of_image(ctx, job.name, image, slot).await?, program))
        }
    }
}

/// Makes an environment that the slug is unpacked in, and says what the stack sets there.
async fn open_site_of_slug(
    ctx: &Ctx,
    name: &str,
    slug: SlugId,
    slot: OwnedSemaphorePermit,
) -> Result<(Site, BTreeMap<String, String>), Failure> {
    let found = db::slugs::get(&mut *ctx.db.read().await?, slug).await?;
    let slug = found.ok_or_else(|| DbError::Corrupt { what: "slug", why: format!("{slug} is missing") })?;
    let held = stack::hold(&ctx.config.stacks_dir, &slug.stack)?;
    let env = held.stack.run_env.clone();
    let environment = ctx.engine.start(spec(ctx, name, held.stack.run_root.clone())).await?;
    let site = Site::new(name.to_owned(), &ctx.tasks, environment, slot).with_stack(held.into_hold());
    let tar = slug::open_tar(&ctx.store, &slug.digest).await;
    let tar = tar.map_err(|source| Failure::Io { what: "the slug can't be read", source })?;
    site.environment().put_in(run::SLUG_ROOT, tar).await?;
    Ok((site, env))
}

/// Makes an environment whose root is the image's.
async fn open_site_of_image(
    ctx: &Ctx,
    name: &str,
    image: image::Image,
    slot: OwnedSemaphorePermit,
) -> Result<Site, ProcessFailure> {
    ctx.engine.check_strangers_roots().map_err(Failure::from)?;
    let working_dir = image.config.working_dir.clone();
    let root = ctx.roots.get(image, &ctx.tasks, ctx.killing.child_token()).await?;
    let environment = ctx.engine.start(spec(ctx, name, root.path())).await.map_err(Failure::from)?;
    let site = Site::new(name.to_owned(), &ctx.tasks, environment, slot).with_root(root);
    run::prepare_image(site.environment(), &working_dir).await.map_err(Failure::from)?;
    Ok(site)
}

fn program_of_image(config: &ImageConfig, runs: &Runs) -> run::Program {
    let argv = match runs {
        Runs::Its(arguments) => [config.argv(), arguments.clone()].concat(),
        Runs::InShell(command) => ["sh", "-c", command].map(str::to_owned).to_vec(),
    };
    run::Program::Image { argv, env: config.env.clone(), working_dir: config.working_dir.clone() }
}

fn spec(ctx: &Ctx, name: &str, root: PathBuf) -> Spec {
    let limits = &ctx.config.limits;
    Spec {
        root,
        name: name.to_owned(),
        memory_bytes: limits.build_memory_bytes,
        pids: limits.build_pids,
        cpus: limits.build_cpus,
        disk_bytes: limits.build_disk_bytes,
        network: true,
    }
}

impl From<UnusableImage> for ProcessFailure {
    fn from(error: UnusableImage) -> Self {
        match error {
            UnusableImage::Unfit(why) => Self::Unfit(why),
            error => Self::Platform(error.into()),
        }
    }
}

/// Why a dyno is being stopped.
pub(super) fn stop_reason(ctx: &Ctx) -> ProcessFailure {
    if ctx.killing.is_cancelled() { ProcessFailure::Stopped } else { ProcessFailure::Cancelled }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_own_words() {
        let words = |failure: ProcessFailure| failure.words("Release command", Duration::from_hours(1), &Limits::default());
        let exits = [
            (Exit::Code(3), "failed with exit code 3."),
            (Exit::Signal(9), "was ended by signal 9."),
            (Exit::TimedOut, "timed out (1 hour)."),
            (Exit::OutOfMemory, "was ended: it used more than 2.5G of memory."),
            (Exit::OutOfDisk, "was ended: it wrote more than 10G to disk."),
            (Exit::OutOfPids, "was ended: it ran more than 512 processes and threads at once."),
        ];
        for (exit, text) in exits {
            assert_eq!(words(ProcessFailure::Exit(exit)), [format!(" !     Release command {text}")]);
        }
        assert_eq!(words(ProcessFailure::Cancelled), [" !     Release command was cancelled."]);
        let platform = words(ProcessFailure::Platform(Failure::Lost("gone".into())));
        assert!(platform[1].contains("hoist's fault"), "{platform:?}");
    }
}
