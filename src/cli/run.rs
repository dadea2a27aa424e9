//! `hoist run:detached`, `logs`

use clap::{Args, Subcommand};

use super::client::Client;
use super::error::CliError;
use super::output::{self, Action, print};
use super::target::{Target, app_path, encode};
use crate::api::types::{Dyno, NewDyno};

#[derive(Debug, Subcommand)]
pub(super) enum Run {
    /// Run a one-off command in the app's code, and leave it running
    #[command(name = "run:detached")]
    Detached(Detached),
    /// Show the output of a one-off command, following it to its end
    #[command(name = "logs")]
    Logs(Logs),
}

#[derive(Debug, Args)]
pub(super) struct Detached {
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<String>,
    #[command(flatten)]
    target: Target,
    /// Environment variables to set, separated by `;`
    #[arg(short, long, value_name = "KEY=VALUE")]
    env: Option<String>,
    /// Seconds after which the command is ended
    #[arg(long, value_name = "SECONDS")]
    time_to_live: Option<u64>,
    /// Show the output
    #[arg(short, long)]
    tail: bool,
}

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// Name of the dyno, such as run.1234
    #[arg(short, long = "dyno-name", alias = "dyno", value_name = "DYNO")]
    dyno_name: String,
    #[command(flatten)]
    target: Target,
}

impl Run {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::Detached(args) => detached(&client, &args),
            Self::Logs(args) => logs(&client, &args),
        }
    }
}

fn detached(client: &Client, args: &Detached) -> Result<(), CliError> {
    let app = args.target.app()?;
    let command = command_line(&args.command)?;
    let new = NewDyno {
        attach: Some(false),
        command: command.clone(),
        env: args.env.as_deref().map(parse_env).transpose()?,
        time_to_live: args.time_to_live,
        process_type: None,
    };
    let action = Action::start(&format!("Running {command} on {app}"));
    let dyno: Dyno = client.post(&format!("{}/dynos", app_path(&app)), &new)?;
    action.done_with(&dyno.name);
    if args.tail {
        return show(client, &dyno);
    }
    print(&format!("Run hoist logs --app {app} --dyno {} to view the output.\n", dyno.name))
}

fn logs(client: &Client, args: &Logs) -> Result<(), CliError> {
    let app = args.target.app()?;
    show(client, &client.get(&format!("{}/dynos/{}", app_path(&app), encode(&args.dyno_name)))?)
}

fn show(client: &Client, dyno: &Dyno) -> Result<(), CliError> {
    match &dyno.output_stream_url {
        Some(url) => output::print_stream(client.stream(url)?),
        None => Ok(()),
    }
}

/// One argument is a command line as it is; several are quoted where a shell would take them apart, as Heroku does.
fn command_line(words: &[String]) -> Result<String, CliError> {
    if let [line] = words {
        return Ok(line.clone());
    }
    shlex::try_join(words.iter().map(String::as_str)).map_err(|error| CliError::User(error.to_string()))
}

/// `A=1;B=2`
fn parse_env(text: &str) -> Result<std::collections::BTreeMap<String, String>, CliError> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        Some((key.to_owned(), value.to_owned()))
    };
    let wrong = || CliError::User(format!("{text} is invalid. Must be in the format FOO=bar;BAZ=qux."));
    text.split(';').filter(|part| !part.is_empty()).map(|part| pair(part).ok_or_else(wrong)).collect()
}
