//! `hoist ps`, `ps:stop`

use clap::{Args, Subcommand};
use serde_json::Value;
use time::OffsetDateTime;

use super::client::Client;
use super::error::CliError;
use super::output::{self, Action, print, print_json};
use super::target::{Target, app_path, encode};
use crate::api::types::Dyno;

#[derive(Debug, Subcommand)]
pub(super) enum Ps {
    /// List the release commands and one-off commands that run
    #[command(name = "ps")]
    List(List),
    /// Stop a running command
    #[command(name = "ps:stop", alias = "ps:kill")]
    Stop(Stop),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    target: Target,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Stop {
    /// Name of the dyno, such as run.1234
    #[arg(short, long = "dyno-name", value_name = "DYNO")]
    dyno_name: String,
    #[command(flatten)]
    target: Target,
}

impl Ps {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(args) => list(&client, &args),
            Self::Stop(args) => stop(&client, &args),
        }
    }
}

fn list(client: &Client, args: &List) -> Result<(), CliError> {
    let app = args.target.app()?;
    let dynos: Vec<Dyno> = client.list(&format!("{}/dynos", app_path(&app)))?;
    if args.json {
        return print_json(&dynos);
    }
    if dynos.is_empty() {
        return print(&format!("No dynos on {app}\n"));
    }
    let now = OffsetDateTime::now_utc();
    let line = |dyno: &Dyno| {
        let since = output::ago(dyno.created_at.0, now);
        format!("{} ({}): {} {since}: {}\n", dyno.name, dyno.size, dyno.state, dyno.command)
    };
    let lines: String = dynos.iter().map(line).collect();
    print(&(output::header(&format!("run: one-off processes ({})", dynos.len())) + &lines))
}

fn stop(client: &Client, args: &Stop) -> Result<(), CliError> {
    let app = args.target.app()?;
    let action = Action::start(&format!("Stopping dyno {} on {app}", args.dyno_name));
    client.post::<Value>(&format!("{}/dynos/{}/actions/stop", app_path(&app), encode(&args.dyno_name)), &())?;
    action.done();
    Ok(())
}
