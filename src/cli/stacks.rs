//! `hoist stack:build`, `hoist stacks`: the stacks of the installation on this host.

use clap::{Args, Subcommand};

use super::error::CliError;
use crate::config::PlaceArgs;
use crate::model::StackName;

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
    pub(super) name: StackName,
    /// Make it anew even if nothing has changed
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) place: PlaceArgs,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    pub(super) place: PlaceArgs,
}

impl Stacks {
    pub(super) fn run(self) -> Result<(), CliError> {
        Err(CliError::User("Stacks can't be made here yet.".into()))
    }
}
