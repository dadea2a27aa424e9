//! `hoist github`, `github:disconnect`; an app's connection to a repository, also on GitLab, Gitea and Forgejo. `github:connect`,
//! `github:update` and `github:secret` have their own file (`github_connect`), and so have `github:deploy` and `github:deploys`
//! (`github_deploy`)

use clap::{Args, Subcommand};

use super::client::Client;
use super::error::CliError;
use super::github_connect::{self as connections, Connect, Update};
use super::github_deploy::{self as deploys, Deploy};
use super::output::{self, Action, print, print_json};
use super::target::{Shown, Target, app_path};
use crate::api::types::Connection;

#[derive(Debug, Subcommand)]
pub(super) enum GitHub {
    /// Show the repository that an app is connected to
    #[command(name = "github")]
    Info(Shown),
    /// Connect an app to a repository on GitHub, GitLab, Gitea or Forgejo
    #[command(name = "github:connect")]
    Connect(Connect),
    /// Change how an app is connected to its repository
    #[command(name = "github:update")]
    Update(Update),
    /// Make another secret for the repository's webhook
    #[command(name = "github:secret")]
    Secret(Shown),
    /// Disconnect an app from its repository
    #[command(name = "github:disconnect")]
    Disconnect(Disconnect),
    /// Deploy a branch of an app's repository
    #[command(name = "github:deploy")]
    Deploy(Deploy),
    /// List the newest deploys from an app's repository
    #[command(name = "github:deploys")]
    Deploys(Shown),
}

#[derive(Debug, Args)]
pub(super) struct Disconnect {
    #[command(flatten)]
    target: Target,
}

impl GitHub {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::Info(args) => info(&client, &args),
            Self::Connect(args) => connections::connect(&client, args),
            Self::Update(args) => connections::update(&client, args),
            Self::Secret(args) => connections::new_secret(&client, &args),
            Self::Disconnect(args) => disconnect(&client, &args),
            Self::Deploy(args) => deploys::deploy(&client, &args),
            Self::Deploys(args) => deploys::list(&client, &args),
        }
    }
}

fn info(client: &Client, args: &Shown) -> Result<(), CliError> {
    let app = args.target.app()?;
    let connection: Connection = client.get(&path(&app))?;
    if args.json {
        return print_json(&connection);
    }
    let yes_no = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let fields = output::fields([
        ("Auto deploy", yes_no(connection.auto_deploy)),
        ("Branch", connection.branch.unwrap_or_default()),
        ("Clone URL", connection.clone_url),
        ("Credentials", connection.credentials.unwrap_or_else(|| "none".into())),
        ("Deploy key", connection.deploy_public_key.unwrap_or_default()),
        ("Deploys as", connection.user.email),
        ("Provider", connection.provider),
        ("Repository", connection.repo),
        ("Tells back", yes_no(connection.tells_back)),
        ("Wait for CI", yes_no(connection.wait_for_ci)),
        ("Webhook URL", connection.webhook_url),
    ]);
    print(&(output::header(&app) + &fields))
}

fn disconnect(client: &Client, args: &Disconnect) -> Result<(), CliError> {
    let app = args.target.app()?;
    let action = Action::start(&format!("Disconnecting {app}"));
    client.delete::<Connection>(&path(&app))?;
    action.done();
    Ok(())
}

/// The connection's path in the API.
pub(super) fn path(app: &str) -> String {
    format!("{}/github", app_path(app))
}
