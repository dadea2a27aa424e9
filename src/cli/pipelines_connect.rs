//! `hoist pipelines:connect`

use clap::Args;
use serde_json::json;

use super::client::Client;
use super::error::CliError;
use super::github_connect::{SECRET_HEADER, Way, new_key};
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
    #[command(flatten)]
    way: Way,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

/// Connects a pipeline, and shows what the repository's webhook is to be told, with the secret that is shown this once.
pub(super) fn connect(client: &Client, args: &Connect) -> Result<(), CliError> {
    let pipeline = find(client, &args.pipeline)?;
    let new = NewConnection { provider: Some(args.provider.clone()), repo: args.repo.clone(), ..args.way.read()? };
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
    print(&(output::header(&format!("Webhook for {}", repo.full_name)) + &fields))?;
    let key = new_key(&repo.full_name, repo.deploy_public_key.as_deref()).filter(|_| args.way.new_deploy_key);
    key.map_or(Ok(()), |key| print(&format!("\n{key}")))
}
