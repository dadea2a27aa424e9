//! `hoist git-credentials`, `git-credentials:add`, `git-credentials:remove`: what other git servers are shown for submodules

use std::path::PathBuf;

use clap::{Args, Subcommand};
use time::OffsetDateTime;

use super::client::Client;
use super::error::CliError;
use super::github_connect::{new_key, read, read_token};
use super::output::{self, Action, ago, print, print_json};
use super::target::{Shown, Target, app_path, encode};
use crate::api::types::{self, NewGitCredential};
use crate::model::{RepositoryPrefix, Secret};

#[derive(Debug, Subcommand)]
pub(super) enum GitCredentials {
    /// List what other git servers are shown for an app's submodules
    #[command(name = "git-credentials")]
    List(Shown),
    /// Give a token or a key for an app's submodules
    #[command(name = "git-credentials:add")]
    Add(Add),
    /// Take a token or a key away
    #[command(name = "git-credentials:remove")]
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Which repositories it is for: those of a host or below a path, such as `https://HOST/OWNER` or `git@HOST:OWNER`
    url: String,
    #[command(flatten)]
    secret: GivenSecret,
    /// User name to give beside the token, if the server wants to know
    #[arg(long, requires = "token_file")]
    user: Option<String>,
    /// File with the keys of the SSH host, as ssh-keyscan prints them
    #[arg(long, value_name = "FILE", conflicts_with = "token_file")]
    known_hosts: Option<PathBuf>,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct GivenSecret {
    /// File with a token for repositories over HTTPS, `-` for standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File with a private key for repositories over SSH
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Have hoist make a key, and show its public half for the settings of the submodule's repository
    #[arg(long)]
    new_deploy_key: bool,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// URL that it was given for, or its ID
    credential: String,
    #[command(flatten)]
    target: Target,
}

impl GitCredentials {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(args) => list(&client, &args),
            Self::Add(args) => add(&client, args),
            Self::Remove(args) => remove(&client, &args),
        }
    }
}

fn list(client: &Client, args: &Shown) -> Result<(), CliError> {
    let app = args.target.app()?;
    let credentials = list_of(client, &app)?;
    if args.json {
        return print_json(&credentials);
    }
    if credentials.is_empty() {
        return print(&format!("{app} has no git credentials\nUse hoist git-credentials:add to add one.\n"));
    }
    let now = OffsetDateTime::now_utc();
    let rows: Vec<_> = credentials.into_iter().map(|credential| row(credential, now)).collect();
    print(&output::table(["URL", "Kind", "Given by", "Given", "Last used"], &rows))
}

fn row(credential: types::GitCredential, now: OffsetDateTime) -> [String; 5] {
    let last_used = credential.last_used_at.map_or_else(|| "never".to_owned(), |at| ago(at.0, now));
    [credential.url, credential.kind.replace('_', " "), credential.user.email, ago(credential.created_at.0, now), last_used]
}

fn add(client: &Client, args: Add) -> Result<(), CliError> {
    let Add { url, secret, user, known_hosts, shown: Shown { target, json } } = args;
    let app = target.app()?;
    let new = NewGitCredential {
        deploy_key: secret.key_file.as_deref().map(read).transpose()?.map(Secret::new),
        known_hosts: known_hosts.as_deref().map(read).transpose()?,
        new_deploy_key: secret.new_deploy_key.then_some(true),
        token: secret.token_file.as_deref().map(read_token).transpose()?,
        url,
        username: user,
    };
    let action = Action::start(&format!("Adding git credential to {app}"));
    let added: types::GitCredential = client.post(&path(&app), &new)?;
    action.done();
    if json {
        return print_json(&added);
    }
    let key = new_key(&added.url, added.deploy_public_key.as_deref());
    key.filter(|_| secret.new_deploy_key).map_or(Ok(()), |key| print(&key))
}

fn remove(client: &Client, args: &Remove) -> Result<(), CliError> {
    let app = args.target.app()?;
    let action = Action::start(&format!("Removing git credential {} from {app}", args.credential));
    let credentials = list_of(client, &app)?;
    let url = args.credential.parse::<RepositoryPrefix>().map_or_else(|_| args.credential.clone(), |url| url.to_string());
    let is_meant = |credential: &&types::GitCredential| credential.url == url || credential.id.to_string() == url;
    let Some(credential) = credentials.iter().find(is_meant) else {
        let urls = credentials.iter().map(|credential| credential.url.as_str()).collect::<Vec<_>>().join(", ");
        return Err(CliError::User(format!("{app} has no git credential for {url}. It has some for: {urls}.")));
    };
    client.delete::<types::GitCredential>(&format!("{}/{}", path(&app), encode(&credential.id.to_string())))?;
    action.done();
    Ok(())
}

/// By their URLs: the API lists by ids.
fn list_of(client: &Client, app: &str) -> Result<Vec<types::GitCredential>, CliError> {
    let mut credentials: Vec<types::GitCredential> = client.list(&path(app))?;
    credentials.sort_by(|one, other| one.url.cmp(&other.url));
    Ok(credentials)
}

fn path(app: &str) -> String {
    format!("{}/git-credentials", app_path(app))
}
