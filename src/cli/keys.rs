//! `hoist keys`, `keys:add`, `keys:remove`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::client::Client;
use super::error::CliError;
use super::output::{self, Action, print, print_json};
use super::target::encode;
use crate::api::types::{Key, NewKey};
use crate::config;

/// Where a key is looked for when none is named, best first.
const DEFAULT_KEYS: [&str; 3] = [".ssh/id_ed25519.pub", ".ssh/id_ecdsa.pub", ".ssh/id_rsa.pub"];

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Display your SSH keys
    #[command(name = "keys")]
    List(List),
    /// Add an SSH key for a user
    #[command(name = "keys:add")]
    Add(Add),
    /// Remove an SSH key from the user
    #[command(name = "keys:remove")]
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Display full SSH keys
    #[arg(short, long)]
    long: bool,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// File of the public key; if omitted, the one in ~/.ssh
    key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// Comment of the key, as `keys` shows it last
    key: String,
}

impl Keys {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(args) => list(&client, &args),
            Self::Add(args) => add(&client, args),
            Self::Remove(args) => remove(&client, &args),
        }
    }
}

fn list(client: &Client, args: &List) -> Result<(), CliError> {
    let keys: Vec<Key> = client.list("/account/keys")?;
    if args.json {
        return print_json(&keys);
    }
    let Some(first) = keys.first() else {
        output::warn("You have no SSH keys.");
        return Ok(());
    };
    let line = |key: &Key| if args.long { key.public_key.clone() } else { short(&key.public_key) };
    let lines: String = keys.iter().map(|key| line(key) + "\n").collect();
    print(&(output::header(&format!("{} keys", first.email)) + &lines))
}

/// `TYPE first10...last10 COMMENT`
fn short(public_key: &str) -> String {
    let mut words = public_key.splitn(3, ' ');
    let (kind, data) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let comment = words.next().unwrap_or_default();
    // Base64, so any byte is a place to cut.
    let (first, last) = (data.get(..10).unwrap_or(data), data.get(data.len().saturating_sub(10)..).unwrap_or(data));
    format!("{kind} {first}...{last} {comment}").trim_end().to_owned()
}

fn add(client: &Client, args: Add) -> Result<(), CliError> {
    let path = args.key.or_else(default_key).ok_or_else(|| {
        CliError::User("Could not find an SSH public key in ~/.ssh. Make one with ssh-keygen, or name its file.".into())
    })?;
    let unreadable = |error| CliError::User(format!("can't read {}: {error}", path.display()));
    let public_key = std::fs::read_to_string(&path).map_err(unreadable)?;
    if public_key.contains("PRIVATE KEY") {
        return Err(CliError::User(format!("{} is a private key: name the public one, {0}.pub", path.display())));
    }
    let action = Action::start(&format!("Uploading {} SSH key", path.display()));
    client.post::<Key>("/account/keys", &NewKey { public_key })?;
    action.done();
    Ok(())
}

fn default_key() -> Option<PathBuf> {
    let home = config::Client::from_env().home?;
    DEFAULT_KEYS.iter().map(|key| home.join(key)).find(|path| path.is_file())
}

fn remove(client: &Client, args: &Remove) -> Result<(), CliError> {
    let action = Action::start(&format!("Removing {} SSH key", args.key));
    let keys: Vec<Key> = client.list("/account/keys")?;
    let matching: Vec<_> = keys.iter().filter(|key| key.comment == args.key).collect();
    if matching.is_empty() {
        let comments = keys.iter().map(|key| key.comment.as_str()).collect::<Vec<_>>().join(", ");
        return Err(CliError::User(format!("SSH Key {} not found.\nFound keys: {comments}.", args.key)));
    }
    for key in matching {
        client.delete::<Key>(&format!("/account/keys/{}", encode(&key.id)))?;
    }
    action.done();
    Ok(())
}
