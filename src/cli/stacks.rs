//! `hoist stack:build`, `hoist stacks`: the stacks of the installation on this host.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::error::CliError;
use super::output;
use crate::config::{Config, PlaceArgs};
use crate::engine::Engine;
use crate::model::StackName;
use crate::server;
use crate::stack::{self, Order, Rebuild, Stack};

#[derive(Debug, Subcommand)]
pub(super) enum Stacks {
    /// Make a stack from its recipe
    #[command(name = "stack:build")]
    Build(Build),
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
        // A work folder of its own: opening an engine sweeps it, and the daemon may be running in the other.
        let work_dir = config.data_dir.join("stack-work");
        let engine = Engine::open(server::engine_settings(config, &work_dir)?).await?;
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
            output::note(&format!("No stacks yet. Make one of: {} with `hoist stack:build NAME`.", stack::recipes().join(", ")));
        }
        output::print(&stacks.iter().map(describe).collect::<String>())
    }
}

/// What is told of a stack as JSON.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    name: &'a str,
    digest: String,
}

impl<'a> Shown<'a> {
    fn of(stack: &'a Stack) -> Self {
        Self { name: stack.name.as_str(), digest: stack.digest.to_string() }
    }
}

fn describe(stack: &Stack) -> String {
    format!("{}  {}\n", stack.name, stack.digest)
}
