//! `hoist stack:set`

use clap::{Args, Subcommand};

use super::client::Client;
use super::error::CliError;
use super::output::{Action, print};
use super::target::{Target, app_path};
use crate::api::types::{App, AppChange};

#[derive(Debug, Subcommand)]
pub(super) enum Stack {
    /// Set the stack of an app
    #[command(name = "stack:set", alias = "apps:stacks:set")]
    Set(Set),
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// Such as debian-12; container for an app that is released from images
    stack: String,
    #[command(flatten)]
    target: Target,
}

impl Stack {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::Set(args) => set(&client, &args),
        }
    }
}

fn set(client: &Client, args: &Set) -> Result<(), CliError> {
    let path = app_path(&args.target.app()?);
    let action = Action::start(&format!("Setting stack to {}", args.stack));
    let change = AppChange { build_stack: Some(args.stack.clone()), ..AppChange::default() };
    let app: App = client.patch(&path, &change)?;
    action.done();
    // An app that was never deployed has changed its stack at once.
    if app.stack == app.build_stack {
        return Ok(());
    }
    print(&format!(
        "You will need to redeploy {name} for the change to take effect.\nRun git push hoist main to trigger a new build on {name}.\n",
        name = app.name
    ))
}
