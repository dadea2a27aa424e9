//! `hoist stack:pull`: a stack of an image in a registry.

use anyhow::Context as _;
use clap::Args;

use super::error::CliError;
use super::output;
use super::stack_work::open_engine;
use super::stacks::{Shown, describe};
use crate::config::{Config, PlaceArgs};
use crate::model::{ImageName, Platform, StackName};
use crate::server;
use crate::stack::{self, Pull, Stack};

#[derive(Debug, Args)]
pub(super) struct PullArgs {
    /// Name of the stack, as apps are told
    name: StackName,
    /// Image in which apps are built, such as heroku/heroku:24-build [default: what the stack was pulled from before]
    image: Option<ImageName>,
    /// Image in which they run [default: the image's name without -build, or the image itself]
    #[arg(long, value_name = "IMAGE")]
    run: Option<ImageName>,
    /// Kind of machine that it is for [default: this one's, or what it was pulled for before]
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    #[command(flatten)]
    place: PlaceArgs,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

impl PullArgs {
    pub(super) fn run(self) -> Result<(), CliError> {
        let config = Config::load_place(&self.place).map_err(anyhow::Error::from)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("can't start the runtime")?;
        let stack = runtime.block_on(self.pull(&config))?;
        if self.json { output::print_json(&Shown::of(&stack)) } else { output::print(&describe(&stack)) }
    }

    async fn pull(&self, config: &Config) -> anyhow::Result<Stack> {
        let (_folder, engine) = open_engine(config).await?;
        let order = Pull {
            name: &self.name,
            stacks_dir: &config.stacks_dir,
            image: self.image.as_ref(),
            run_image: self.run.as_ref(),
            platform: self.platform.as_ref(),
            registries: &server::registry_settings(config)?,
            limits: &config.limits,
        };
        Ok(stack::pull(order, &engine, output::note).await?)
    }
}
