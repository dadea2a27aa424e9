//! `hoist run`, `run:detached`

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::attach;
use super::client::Client;
use super::error::CliError;
use super::output::{self, Action, print, print_json};
use super::target::{Target, app_path};
use super::terminal::{self, RawMode};
use crate::api::types::{Dyno, NewDyno};
use crate::config;

#[derive(Debug, Subcommand)]
pub(super) enum Run {
    /// Run a one-off command in the app's code; its input, output and exit code are this command's own
    #[command(name = "run")]
    Attached(Attached),
    /// Run a one-off command in the app's code, and leave it running
    #[command(name = "run:detached")]
    Detached(Detached),
}

/// What is run.
#[derive(Debug, Args)]
struct Job {
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<String>,
    #[command(flatten)]
    target: Target,
    /// Environment variables to set, separated by `;`
    #[arg(short, long, value_name = "KEY=VALUE")]
    env: Option<String>,
    /// Process type to show
    #[arg(long = "type", value_name = "TYPE")]
    process_type: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Attached {
    #[command(flatten)]
    job: Job,
    /// Pass the command's exit code on, which hoist always does
    #[arg(short = 'x', long)]
    exit_code: bool,
    /// Give the command no terminal, even if this is one
    #[arg(long)]
    no_tty: bool,
}

#[derive(Debug, Args)]
pub(super) struct Detached {
    #[command(flatten)]
    job: Job,
    /// Seconds after which the command is ended
    #[arg(long, value_name = "SECONDS")]
    time_to_live: Option<u64>,
    /// Show the output
    #[arg(short, long)]
    tail: bool,
    /// Output in JSON format
    #[arg(long, conflicts_with = "tail")]
    json: bool,
}

impl Run {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::Attached(args) => attached(&client, &args),
            Self::Detached(args) => detached(&client, &args),
        }
    }
}

fn attached(client: &Client, args: &Attached) -> Result<(), CliError> {
    let (app, mut new) = args.job.request(true)?;
    let terminal = if args.no_tty { None } else { terminal::size() };
    new.force_no_tty = args.no_tty.then_some(true);
    if let Some(size) = terminal {
        let known = new.env.get_or_insert_default();
        known.entry("COLUMNS".into()).or_insert(size.columns.into());
        known.entry("LINES".into()).or_insert(size.rows.into());
        if let Some(kind) = config::terminal_kind() {
            known.entry("TERM".into()).or_insert(kind.into());
        }
    }
    let action = Action::start(&format!("Running {} on {app}", new.command));
    let dyno: Dyno = client.post(&format!("{}/dynos", app_path(&app)), &new)?;
    action.done_with(&dyno.name);
    let url = dyno.attach_url.as_deref().ok_or_else(|| CliError::User("hoist does not say where to attach.".into()))?;
    {
        let _raw = terminal.map(|_| RawMode::enter()).transpose()?;
        attach::attach(url, client.url())?;
    }
    let ended: Dyno = client.get(&format!("{}/dynos/{}", app_path(&app), dyno.id))?;
    // Without a status hoist has ended it, and has said so.
    match ended.exit_status.map_or(1, |status| u8::try_from(status).unwrap_or(1)) {
        0 => Ok(()),
        code => Err(CliError::Exited(code)),
    }
}

fn detached(client: &Client, args: &Detached) -> Result<(), CliError> {
    let (app, new) = args.job.request(false)?;
    let new = NewDyno { time_to_live: args.time_to_live, ..new };
    let action = Action::start(&format!("Running {} on {app}", new.command));
    let dyno: Dyno = client.post(&format!("{}/dynos", app_path(&app)), &new)?;
    action.done_with(&dyno.name);
    if args.tail {
        return show(client, &dyno);
    }
    if args.json {
        return print_json(&dyno);
    }
    print(&format!("Run hoist logs --app {app} --dyno {} to view the output.\n", dyno.name))
}

fn show(client: &Client, dyno: &Dyno) -> Result<(), CliError> {
    if let Some(url) = &dyno.output_stream_url {
        return output::print_stream(client.stream(url)?);
    }
    output::warn(&format!("The output of {} is not kept: somebody was attached to it.", dyno.name));
    Ok(())
}

impl Job {
    /// The app, and what to ask for.
    fn request(&self, attach: bool) -> Result<(String, NewDyno), CliError> {
        let new = NewDyno {
            attach: Some(attach),
            command: command_line(&self.command)?,
            env: self.env.as_deref().map(parse_env).transpose()?,
            force_no_tty: None,
            time_to_live: None,
            process_type: self.process_type.clone(),
        };
        Ok((self.target.app()?, new))
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
fn parse_env(text: &str) -> Result<BTreeMap<String, Value>, CliError> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        Some((key.to_owned(), Value::from(value)))
    };
    let wrong = || CliError::User(format!("{text} is invalid. Must be in the format FOO=bar;BAZ=qux."));
    text.split(';').filter(|part| !part.is_empty()).map(|part| pair(part).ok_or_else(wrong)).collect()
}
