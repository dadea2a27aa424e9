//! `hoist pipelines:connect`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::client::Client;
use super::error::CliError;
use super::github::{SECRET_HEADER, read_secret_lines, read_text, read_token};
use super::output::{self, Action, print, print_json};
use super::pipelines::find;
use crate::api::types::{NewConnection, PipelineRepo};

#[derive(Debug, Args)]
pub(super) struct Connect {
    /// Name or id of the pipeline
    pipeline: String,
    /// OWNER/NAME of the repository
    #[arg(short, long)]
    repo: String,
    /// github, gitlab, gitea or forgejo
    #[arg(long, default_value = "github")]
    provider: String,
    /// Where to fetch from, if not from github.com or gitlab.com
    #[arg(long, value_name = "URL")]
    clone_url: Option<String>,
    /// File with a token for the provider, `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "deploy_key")]
    token_file: Option<PathBuf>,
    /// File with a private key for fetching over SSH
    #[arg(long, value_name = "FILE")]
    deploy_key: Option<PathBuf>,
    /// File with the keys of the SSH host, as ssh-keyscan prints them
    #[arg(long, value_name = "FILE")]
    known_hosts: Option<PathBuf>,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

/// Connects a pipeline, and shows what the repository's webhook is to be told, with the secret that is shown this once.
pub(super) fn connect(client: &Client, args: &Connect) -> Result<(), CliError> {
    let pipeline = find(client, &args.pipeline)?;
    let new = NewConnection {
        clone_url: args.clone_url.clone(),
        deploy_key: args.deploy_key.as_deref().map(read_secret_lines).transpose()?,
        known_hosts: args.known_hosts.as_deref().map(read_text).transpose()?,
        provider: Some(args.provider.clone()),
        repo: args.repo.clone(),
        token: args.token_file.as_deref().map(read_token).transpose()?,
        ..NewConnection::default()
    };
    let action = Action::start("Linking to repo");
    let path = format!("/pipelines/{}/repo", pipeline.id);
    let (repo, secret): (PipelineRepo, _) = client.post_for_header(&path, &new, SECRET_HEADER)?;
    action.done();
    if args.json {
        return print_json(&json!({ "repo": repo, "webhook_secret": secret }));
    }
    let fields = output::fields([
        ("Content type", "application/json".into()),
        ("Payload URL", repo.webhook_url),
        ("Secret", secret.unwrap_or_default()),
    ]);
    print(&(output::header(&format!("Webhook for {}", repo.full_name)) + &fields))
}
