//! `hoist serve`

use anyhow::Context as _;

use super::error::CliError;
use crate::config::{Config, ServeArgs};
use crate::server;

/// Runs the daemon until it is told to stop.
pub(super) fn run(args: &ServeArgs) -> Result<(), CliError> {
    let config = Config::load(args).map_err(anyhow::Error::from)?;
    let runtime = tokio::runtime::Runtime::new().context("can't start the runtime")?;
    Ok(runtime.block_on(server::serve(config))?)
}
