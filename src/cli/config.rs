//! `hoist config`, `config:set`, `config:get`, `config:unset`

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde_json::json;

use super::client::Client;
use super::error::CliError;
use super::nearest::nearest;
use super::output::{self, Action, print, print_json};
use super::target::{Target, app_path};
use crate::api::types::Release;

/// Config vars as the API sends them.
pub(super) type Vars = BTreeMap<String, String>;

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Display the config vars for an app
    #[command(name = "config")]
    List(List),
    /// Display config values for an app
    #[command(name = "config:get")]
    Get(Get),
    /// Set one or more config vars
    #[command(name = "config:set", alias = "config:add")]
    Set(Set),
    /// Unset one or more config vars
    #[command(name = "config:unset", alias = "config:remove")]
    Unset(Unset),
}

#[derive(Debug, Args)]
struct Format {
    /// Output in JSON format
    #[arg(short, long)]
    json: bool,
    /// Output in shell format
    #[arg(short, long)]
    shell: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Get {
    /// Names of the config vars
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// Names and values of the config vars
    #[arg(required = true, value_name = "KEY=VALUE")]
    vars: Vec<String>,
    #[command(flatten)]
    target: Target,
    /// Output in JSON format
    #[arg(short, long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Unset {
    /// Names of the config vars
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    #[command(flatten)]
    target: Target,
}

impl Config {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(args) => list(&client, &args),
            Self::Get(args) => get(&client, &args),
            Self::Set(args) => set(&client, &args),
            Self::Unset(args) => unset(&client, &args),
        }
    }
}

fn list(client: &Client, args: &List) -> Result<(), CliError> {
    let app = args.target.app()?;
    let vars: Vars = client.get(&format!("{}/config-vars", app_path(&app)))?;
    if args.format.json {
        return print_json(&vars);
    }
    if args.format.shell {
        return print(&shell(vars.iter().map(|(key, value)| (key.as_str(), value.as_str())))?);
    }
    let fields = output::fields(vars.iter().map(|(key, value)| (key.as_str(), value.clone())));
    print(&(output::header(&format!("{app} Config Vars")) + &fields))
}

fn get(client: &Client, args: &Get) -> Result<(), CliError> {
    let vars: Vars = client.get(&format!("{}/config-vars", args.target.path()?))?;
    for key in args.keys.iter().filter(|key| !vars.contains_key(*key)) {
        if let Some(meant) = nearest(key, vars.keys().cloned()) {
            output::note(&format!("{key} is not set. Did you mean {meant}?"));
        }
    }
    if args.format.json {
        let found: Vec<_> = args.keys.iter().map(|key| json!({"key": key, "value": vars.get(key)})).collect();
        return if let [one] = found.as_slice() { print_json(one) } else { print_json(&found) };
    }
    let values = args.keys.iter().map(|key| (key.as_str(), vars.get(key).map_or("", String::as_str)));
    if args.format.shell {
        return print(&shell(values)?);
    }
    print(&values.map(|(_, value)| format!("{value}\n")).collect::<Vec<_>>().concat())
}

fn set(client: &Client, args: &Set) -> Result<(), CliError> {
    let changes = parse_vars(&args.vars)?;
    let keys: Vec<_> = changes.iter().map(|(key, _)| *key).collect();
    let changes: BTreeMap<_, _> = changes.into_iter().collect();
    let app = args.target.app()?;
    let action = Action::start(&format!("Setting {} and restarting {app}", keys.join(", ")));
    let vars: Vars = client.patch(&format!("{}/config-vars", app_path(&app)), &changes)?;
    action.done_with(&newest(client, &app)?);
    let set: Vars = vars.into_iter().filter(|(key, _)| changes.contains_key(key.as_str())).collect();
    if args.json {
        print_json(&set)
    } else {
        print(&output::fields(set.iter().map(|(key, value)| (key.as_str(), value.clone()))))
    }
}

fn unset(client: &Client, args: &Unset) -> Result<(), CliError> {
    let app = args.target.app()?;
    let changes: BTreeMap<_, Option<String>> = args.keys.iter().map(|key| (key, None)).collect();
    let action = Action::start(&format!("Unsetting {} and restarting {app}", args.keys.join(", ")));
    client.patch::<Vars>(&format!("{}/config-vars", app_path(&app)), &changes)?;
    action.done_with(&newest(client, &app)?);
    Ok(())
}

/// Takes `KEY=VALUE` apart.
pub(super) fn parse_vars(vars: &[String]) -> Result<Vec<(&str, &str)>, CliError> {
    let wrong = |var: &String| CliError::User(format!("{var} is invalid. Must be in the format FOO=bar."));
    vars.iter().map(|var| var.split_once('=').ok_or_else(|| wrong(var))).collect()
}

/// The newest release's number, `v4`.
fn newest(client: &Client, app: &str) -> Result<String, CliError> {
    let path = format!("{}/releases", app_path(app));
    let releases: Vec<Release> = client.part(&path, "version ..; order=desc,max=1")?;
    Ok(releases.first().map(|release| format!("v{}", release.version)).unwrap_or_default())
}

/// `KEY=VALUE` lines that a shell reads back as they were.
pub(super) fn shell<'a>(vars: impl Iterator<Item = (&'a str, &'a str)>) -> Result<String, CliError> {
    let line = |(key, value)| Ok(format!("{key}={}\n", shlex::try_quote(value)?));
    vars.map(line).collect::<Result<_, shlex::QuoteError>>().map_err(|error| CliError::User(error.to_string()))
}
