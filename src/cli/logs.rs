//! `hoist logs`

use std::io::{self, BufRead as _, BufReader};
use std::time::Duration;

use clap::{Args, Subcommand};

use super::client::Client;
use super::error::CliError;
use super::output::print;
use super::target::Target;
use crate::api::types::{LogSession, NewLogSession};

/// Before a log that is followed is opened again, after its connection was lost.
const RECONNECT_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(super) enum Logs {
    /// Display recent log output
    #[command(name = "logs")]
    Show(Show),
}

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    target: Target,
    /// Number of lines to display
    #[arg(short, long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1500))]
    num: u32,
    /// Continually stream logs
    #[arg(short, long)]
    tail: bool,
    /// Only show output from this dyno (such as run.1234)
    #[arg(short, long = "dyno-name", alias = "dyno", value_name = "DYNO")]
    dyno_name: Option<String>,
    /// Only show output from this process type (such as run or release)
    #[arg(short, long, alias = "ps", value_name = "TYPE", conflicts_with = "dyno_name")]
    process_type: Option<String>,
    /// Only show output from this source (app or hoist)
    #[arg(short, long)]
    source: Option<String>,
}

impl Logs {
    pub(super) fn run(self) -> Result<(), CliError> {
        let Self::Show(args) = self;
        show(&Client::open()?, &args)
    }
}

fn show(client: &Client, args: &Show) -> Result<(), CliError> {
    let new = NewLogSession {
        dyno: args.dyno_name.clone().or_else(|| args.process_type.clone()),
        lines: Some(args.num),
        source: args.source.clone(),
        tail: Some(args.tail),
        process_type: None,
    };
    let session: LogSession = client.post(&format!("{}/log-sessions", args.target.path()?), &new)?;
    let mut last_seen = None;
    loop {
        match print_events(client, &session.logplex_url, &mut last_seen) {
            Err(CliError::Api { id, .. }) if args.tail && id == "not_found" => {
                return Err(CliError::User("Log stream timed out. Run the command again to go on.".into()));
            }
            Err(error) => return Err(error),
            // What comes next is asked for behind what was seen.
            Ok(_) if args.tail => std::thread::sleep(RECONNECT_WAIT),
            Ok(connection) => {
                return connection.map_err(|error| CliError::User(format!("the connection to hoist was lost: {error}")));
            }
        }
    }
}

/// Prints the data of server-sent events, and remembers the last event's id. Gives how the connection ended; that what it
/// brought can't be printed is an error.
fn print_events(client: &Client, url: &str, last_seen: &mut Option<String>) -> Result<io::Result<()>, CliError> {
    let mut id = None;
    for line in BufReader::new(client.events(url, last_seen.as_deref())?).lines() {
        let line = match line {
            Ok(line) => line,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(text) = line.strip_prefix("data: ") {
            print(&format!("{text}\n"))?;
        } else if let Some(place) = line.strip_prefix("id: ") {
            id = Some(place.to_owned());
        } else if line.is_empty() {
            // The event is whole.
            *last_seen = id.take().or(last_seen.take());
        }
    }
    Ok(Ok(()))
}
