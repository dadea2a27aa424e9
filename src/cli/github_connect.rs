//! `hoist github:connect`, `github:update`, `github:secret`: how an app is connected to a repository

use std::io;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};
use serde::Serialize;

use super::client::Client;
use super::error::CliError;
use super::github::path;
use super::output::{self, Action, print, print_json};
use super::target::{Shown, Target};
use crate::api::types::{Connection, ConnectionChange, NewConnection};
use crate::model::Secret;

/// Which header of an answer has the webhook's secret.
pub(super) const SECRET_HEADER: &str = "hoist-webhook-secret";

#[derive(Debug, Args)]
pub(super) struct Connect {
    /// OWNER/NAME of the repository
    repo: String,
    /// github, gitlab, gitea or forgejo
    #[arg(long, default_value = "github")]
    provider: String,
    /// Branch to deploy
    #[arg(short, long)]
    branch: Option<String>,
    #[command(flatten)]
    way: Way,
    /// Deploy each push to the branch
    #[arg(long, requires = "branch")]
    auto_deploy: bool,
    /// Deploy a push only when all of its commit's statuses and checks are green
    #[arg(long)]
    wait_for_ci: bool,
    #[command(flatten)]
    shown: Shown,
}

/// How hoist gets at a repository.
#[derive(Debug, Args)]
pub(super) struct Way {
    /// Where to fetch from, if not from github.com or gitlab.com
    #[arg(long, value_name = "URL")]
    clone_url: Option<String>,
    /// File with a token for the provider, `-` for standard input: for its API, and for fetching over HTTPS
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File with a token of yours that may read the repository: it is shown to GitHub once, and not kept. Where hoist is a GitHub
    /// App, the App then acts for this connection
    #[arg(long, value_name = "FILE", conflicts_with = "token_file")]
    proof_file: Option<PathBuf>,
    /// File with a private key for fetching over SSH
    #[arg(long, value_name = "FILE")]
    deploy_key: Option<PathBuf>,
    /// Have hoist make a key for fetching over SSH, and show its public half for the repository's settings
    #[arg(long, conflicts_with = "deploy_key")]
    pub(super) new_deploy_key: bool,
    /// File with the keys of the SSH host, as ssh-keyscan prints them
    #[arg(long, value_name = "FILE")]
    known_hosts: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// Branch to deploy
    #[arg(short, long)]
    branch: Option<String>,
    #[command(flatten)]
    way: Way,
    /// Whether to deploy each push to the branch
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", action = ArgAction::Set)]
    auto_deploy: Option<bool>,
    /// Whether to deploy a push only when all of its commit's statuses and checks are green
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", action = ArgAction::Set)]
    wait_for_ci: Option<bool>,
    #[command(flatten)]
    target: Target,
}

/// A connection, with the secret that is shown this once.
#[derive(Debug, Serialize)]
struct WithSecret {
    #[serde(flatten)]
    connection: Connection,
    webhook_secret: Option<String>,
}

pub(super) fn connect(client: &Client, args: Connect) -> Result<(), CliError> {
    let app = args.shown.target.app()?;
    let new = NewConnection {
        auto_deploy: Some(args.auto_deploy),
        branch: args.branch,
        provider: Some(args.provider),
        repo: args.repo,
        wait_for_ci: Some(args.wait_for_ci),
        ..args.way.read()?
    };
    let action = Action::start(&format!("Connecting {app} to {}", new.repo));
    let (connection, secret): (Connection, _) = client.post_for_header(&path(&app), &new, SECRET_HEADER)?;
    action.done();
    if connection.credentials.is_none() {
        output::warn("hoist has no credentials for this repository: it can be fetched only if it is public");
    }
    if !connection.tells_back {
        output::warn(
            "hoist has no token for this repository: it can't tell there what becomes of builds, nor ask about CI \
             (hoist github:update --token-file FILE)",
        );
    }
    let key = new_key(&connection.repo, connection.deploy_public_key.as_deref())
        .filter(|_| args.way.new_deploy_key && !args.shown.json);
    show_secret(connection, secret, args.shown.json)?;
    key.map_or(Ok(()), |key| print(&format!("\n{key}")))
}

pub(super) fn update(client: &Client, args: Update) -> Result<(), CliError> {
    let app = args.target.app()?;
    let way = args.way.read()?;
    let change = ConnectionChange {
        auto_deploy: args.auto_deploy,
        branch: args.branch,
        clone_url: way.clone_url,
        deploy_key: way.deploy_key.map(Some),
        known_hosts: way.known_hosts.map(Some),
        new_deploy_key: way.new_deploy_key,
        proof: way.proof,
        token: way.token.map(Some),
        wait_for_ci: args.wait_for_ci,
        webhook_secret: None,
    };
    let action = Action::start(&format!("Updating the connection of {app}"));
    let connection: Connection = client.patch(&path(&app), &change)?;
    action.done();
    // No other change has anything to be told to the provider.
    let key = new_key(&connection.repo, connection.deploy_public_key.as_deref());
    key.filter(|_| args.way.new_deploy_key).map_or(Ok(()), |key| print(&key))
}

/// What the provider has to be told of a deploy key.
pub(super) fn new_key(repo: &str, public_key: Option<&str>) -> Option<String> {
    public_key.map(|key| format!("{}{key}\n", output::header(&format!("Deploy key for {repo}"))))
}

pub(super) fn new_secret(client: &Client, args: &Shown) -> Result<(), CliError> {
    let app = args.target.app()?;
    let action = Action::start(&format!("Making another webhook secret for {app}"));
    let (connection, secret) = client.post_for_header(&format!("{}/webhook-secret", path(&app)), &(), SECRET_HEADER)?;
    action.done();
    show_secret(connection, secret, args.json)
}

fn show_secret(connection: Connection, webhook_secret: Option<String>, json: bool) -> Result<(), CliError> {
    if json {
        return print_json(&WithSecret { connection, webhook_secret });
    }
    let fields = output::fields([
        ("Content type", "application/json".into()),
        ("Payload URL", connection.webhook_url),
        ("Secret", webhook_secret.unwrap_or_default()),
    ]);
    print(&(output::header(&format!("Webhook for {}", connection.repo)) + &fields))
}

impl Way {
    /// The fields of a connection that say so, with what is in the files.
    pub(super) fn read(&self) -> Result<NewConnection, CliError> {
        Ok(NewConnection {
            clone_url: self.clone_url.clone(),
            // A key's last line must end.
            deploy_key: self.deploy_key.as_deref().map(read).transpose()?.map(Secret::new),
            known_hosts: self.known_hosts.as_deref().map(read).transpose()?,
            new_deploy_key: self.new_deploy_key.then_some(true),
            proof: self.proof_file.as_deref().map(read_token).transpose()?,
            token: self.token_file.as_deref().map(read_token).transpose()?,
            ..NewConnection::default()
        })
    }
}

pub(super) fn read(file: &Path) -> Result<String, CliError> {
    let read = if file == Path::new("-") { io::read_to_string(io::stdin()) } else { std::fs::read_to_string(file) };
    read.map_err(|error| CliError::User(format!("can't read {}: {error}", file.display())))
}

pub(super) fn read_token(file: &Path) -> Result<Secret, CliError> {
    read(file).map(|text| Secret::new(text.trim()))
}
