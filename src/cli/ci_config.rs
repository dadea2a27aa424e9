//! `hoist ci:config`, `ci:config:get`, `ci:config:set`, `ci:config:unset`

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::ci_target::PipelineTarget;
use super::client::Client;
use super::config::{Vars, parse_vars, shell};
use super::error::CliError;
use super::output::{self, Action, print, print_json};
use crate::api::types::PipelineRef;

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    target: PipelineTarget,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
    /// Output in shell format
    #[arg(short, long)]
    shell: bool,
}

#[derive(Debug, Args)]
pub(super) struct Get {
    /// Name of the config var
    key: String,
    #[command(flatten)]
    target: PipelineTarget,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
    /// Output in shell format
    #[arg(short, long)]
    shell: bool,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// Names and values of the config vars
    #[arg(required = true, value_name = "KEY=VALUE")]
    vars: Vec<String>,
    #[command(flatten)]
    target: PipelineTarget,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Unset {
    /// Names of the config vars
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    #[command(flatten)]
    target: PipelineTarget,
}

pub(super) fn list(client: &Client, args: &List) -> Result<(), CliError> {
    let pipeline = args.target.find(client)?;
    let vars: Vars = client.get(&path(&pipeline))?;
    if args.json {
        return print_json(&vars);
    }
    if args.shell {
        return print(&shell(vars.iter().map(|(key, value)| (key.as_str(), value.as_str())))?);
    }
    let fields = output::fields(vars.iter().map(|(key, value)| (key.as_str(), value.clone())));
    print(&(output::header(&format!("{} test config vars", pipeline.name)) + &fields))
}

pub(super) fn get(client: &Client, args: &Get) -> Result<(), CliError> {
    let vars: Vars = client.get(&path(&args.target.find(client)?))?;
    if args.json {
        return print_json(&json!({"key": args.key, "value": vars.get(&args.key)}));
    }
    let value = vars.get(&args.key).map_or("", String::as_str);
    if args.shell {
        return print(&shell([(args.key.as_str(), value)].into_iter())?);
    }
    print(&format!("{value}\n"))
}

pub(super) fn set(client: &Client, args: &Set) -> Result<(), CliError> {
    let changes = parse_vars(&args.vars)?;
    let pipeline = args.target.find(client)?;
    let keys: Vec<_> = changes.iter().map(|(key, _)| *key).collect();
    let action = Action::start(&format!("Setting {}", keys.join(", ")));
    let changes: BTreeMap<_, _> = changes.into_iter().collect();
    let vars: Vars = client.patch(&path(&pipeline), &changes)?;
    action.done();
    let set: Vars = vars.into_iter().filter(|(key, _)| changes.contains_key(key.as_str())).collect();
    if args.json {
        print_json(&set)
    } else {
        print(&output::fields(set.iter().map(|(key, value)| (key.as_str(), value.clone()))))
    }
}

pub(super) fn unset(client: &Client, args: &Unset) -> Result<(), CliError> {
    let pipeline = args.target.find(client)?;
    let changes: BTreeMap<_, Option<String>> = args.keys.iter().map(|key| (key, None)).collect();
    let action = Action::start(&format!("Unsetting {}", args.keys.join(", ")));
    client.patch::<Vars>(&path(&pipeline), &changes)?;
    action.done();
    Ok(())
}

fn path(pipeline: &PipelineRef) -> String {
    format!("/pipelines/{}/stage/test/config-vars", pipeline.id)
}
