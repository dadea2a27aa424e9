//! `hoist stack:build`, `hoist stacks`: the stacks of the installation on this host. `stack_pull` and `stack_remove` are about
//! them, too.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::error::CliError;
use super::output;
use super::stack_pull::PullArgs;
use super::stack_remove::Remove;
use super::stack_work::open_engine;
use crate::config::{Config, PlaceArgs};
use crate::model::{Digest, ImageName, StackName};
use crate::stack::{self, Order, Pulled, Rebuild, Stack};

#[derive(Debug, Subcommand)]
pub(super) enum Stacks {
    /// Make a stack from its recipe
    #[command(name = "stack:build")]
    Build(Build),
    /// Make a stack of an image in a registry, or bring it up to date
    #[command(name = "stack:pull")]
    Pull(Box<PullArgs>),
    /// Remove a stack that no app is on
    #[command(name = "stack:remove")]
    Remove(Remove),
    /// List the stacks that apps can be built on
    #[command(name = "stacks")]
    List(List),
}

#[derive(Debug, Args)]
pub(super) struct Build {
    /// Name of the recipe, such as debian-12
    name: StackName,
    /// Make it anew even if its recipe has not changed: picks up the distribution's newer packages
    #[arg(long)]
    force: bool,
    /// Debian mirror to use in place of the recipe's
    #[arg(long, env = "HOIST_MIRROR", value_name = "URL")]
    mirror: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    place: PlaceArgs,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

impl Stacks {
    pub(super) fn run(self) -> Result<(), CliError> {
        match self {
            Self::Build(args) => args.run(),
            Self::Pull(args) => args.run(),
            Self::Remove(args) => args.run(),
            Self::List(args) => args.run(),
        }
    }
}

impl Build {
    fn run(self) -> Result<(), CliError> {
        let config = Config::load_place(&self.place).map_err(anyhow::Error::from)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("can't start the runtime")?;
        let stack = runtime.block_on(self.build(&config))?;
        if self.json { output::print_json(&Shown::of(&stack)) } else { output::print(&describe(&stack)) }
    }

    async fn build(&self, config: &Config) -> anyhow::Result<Stack> {
        let (_folder, engine) = open_engine(config).await?;
        let rebuild = if self.force { Rebuild::Always } else { Rebuild::IfChanged };
        let order = Order { name: &self.name, stacks_dir: &config.stacks_dir, mirror: self.mirror.as_deref(), rebuild };
        Ok(stack::build(order, &engine, output::note).await?)
    }
}

impl List {
    fn run(self) -> Result<(), CliError> {
        let config = Config::load_place(&self.place).map_err(anyhow::Error::from)?;
        let stacks = stack::list(&config.stacks_dir).map_err(anyhow::Error::from)?;
        if self.json {
            return output::print_json(&stacks.iter().map(Shown::of).collect::<Vec<_>>());
        }
        if stacks.is_empty() {
            output::note(&format!(
                "No stacks yet. Make one of: {} with `hoist stack:build NAME`, or `hoist stack:pull NAME IMAGE`.",
                stack::recipes().join(", ")
            ));
        }
        output::print(&stacks.iter().map(describe).collect::<String>())
    }
}

/// What is told of a stack as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Shown<'a> {
    name: &'a str,
    digest: String,
    /// Of one that was pulled only.
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    build_image: Option<ShownImage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_image: Option<ShownImage>,
}

#[derive(Debug, Serialize)]
struct ShownImage {
    name: String,
    digest: String,
}

impl<'a> Shown<'a> {
    pub(super) fn of(stack: &'a Stack) -> Self {
        let pulled = stack.pulled.as_ref();
        let shown = |name: &ImageName, digest: &Digest| ShownImage { name: name.to_string(), digest: digest.to_string() };
        Self {
            name: stack.name.as_str(),
            digest: stack.digest.to_string(),
            size_bytes: pulled.map(|pulled| pulled.size_bytes),
            build_image: pulled.map(|pulled| shown(&pulled.names.build, &pulled.build_digest)),
            run_image: pulled.map(|pulled| shown(&pulled.names.run, &pulled.run_digest)),
        }
    }
}

/// A line for each stack: its name, its digest, and of one that was pulled its size and its images.
pub(super) fn describe(stack: &Stack) -> String {
    let Some(Pulled { names, size_bytes, .. }) = &stack.pulled else { return format!("{}  {}\n", stack.name, stack.digest) };
    let run = if names.build == names.run { String::new() } else { format!(", run in {}", names.run) };
    format!("{}  {}  {}  {}{run}\n", stack.name, stack.digest, output::size(*size_bytes), names.build)
}
