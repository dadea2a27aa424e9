//! `hoist github`, `github:connect`, `github:update`, `github:secret`, `github:disconnect`, `github:deploy`, `github:deploys`:
//! an app's connection to a repository, also on GitLab, Gitea and Forgejo

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Args, Subcommand};
use serde::Serialize;

use super::client::Client;
use super::error::CliError;
use super::output::{self, Action, print, print_json};
use super::target::{Target, app_path};
use super::webhooks_deliveries::text;
use crate::api::types::{Build, Connection, ConnectionChange, NewConnection, NewRepositoryDeploy, RepositoryDeploy};
use crate::model::Secret;

/// Which header of an answer has the webhook's secret.
pub(super) const SECRET_HEADER: &str = "hoist-webhook-secret";
/// Between two looks at a deploy that has no build yet.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(super) enum GitHub {
    /// Show the repository that an app is connected to
    #[command(name = "github")]
    Info(One),
    /// Connect an app to a repository on GitHub, GitLab, Gitea or Forgejo
    #[command(name = "github:connect")]
    Connect(Connect),
    /// Change how an app is connected to its repository
    #[command(name = "github:update")]
    Update(Update),
    /// Make another secret for the repository's webhook
    #[command(name = "github:secret")]
    Secret(One),
    /// Disconnect an app from its repository
    #[command(name = "github:disconnect")]
    Disconnect(Disconnect),
    /// Deploy a branch of an app's repository
    #[command(name = "github:deploy")]
    Deploy(Deploy),
    /// List the newest deploys from an app's repository
    #[command(name = "github:deploys")]
    Deploys(One),
}

#[derive(Debug, Args)]
pub(super) struct One {
    #[command(flatten)]
    target: Target,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Connect {
    /// OWNER/NAME of the repository
    repo: String,
    /// github, gitlab, gitea or forgejo
    #[arg(long, default_value = "github")]
    provider: String,
    #[command(flatten)]
    settings: Settings,
    /// Deploy each push to the branch
    #[arg(long, requires = "branch")]
    auto_deploy: bool,
    /// Deploy a push only when all of its commit's statuses and checks are green
    #[arg(long)]
    wait_for_ci: bool,
    #[command(flatten)]
    target: Target,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

/// What can be given and changed alike.
#[derive(Debug, Args)]
struct Settings {
    /// Branch to deploy
    #[arg(short, long)]
    branch: Option<String>,
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
}

#[derive(Debug, Args)]
pub(super) struct Update {
    #[command(flatten)]
    settings: Settings,
    /// Whether to deploy each push to the branch
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", action = ArgAction::Set)]
    auto_deploy: Option<bool>,
    /// Whether to deploy a push only when all of its commit's statuses and checks are green
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", action = ArgAction::Set)]
    wait_for_ci: Option<bool>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Disconnect {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Deploy {
    /// Branch to deploy [default: the connection's]
    branch: Option<String>,
    #[command(flatten)]
    target: Target,
    /// Output in JSON format, when the build has ended
    #[arg(long)]
    json: bool,
}

/// A connection, with the secret that is shown this once.
#[derive(Debug, Serialize)]
struct WithSecret {
    #[serde(flatten)]
    connection: Connection,
    webhook_secret: Option<String>,
}

impl GitHub {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::Info(args) => info(&client, &args),
            Self::Connect(args) => connect(&client, args),
            Self::Update(args) => update(&client, args),
            Self::Secret(args) => new_secret(&client, &args),
            Self::Disconnect(args) => disconnect(&client, &args),
            Self::Deploy(args) => deploy(&client, &args),
            Self::Deploys(args) => list_deploys(&client, &args),
        }
    }
}

fn info(client: &Client, args: &One) -> Result<(), CliError> {
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
        ("Deploys as", connection.user.email),
        ("Provider", connection.provider),
        ("Repository", connection.repo),
        ("Wait for CI", yes_no(connection.wait_for_ci)),
        ("Webhook URL", connection.webhook_url),
    ]);
    print(&(output::header(&app) + &fields))
}

fn connect(client: &Client, args: Connect) -> Result<(), CliError> {
    let app = args.target.app()?;
    let settings = args.settings;
    let new = NewConnection {
        auto_deploy: Some(args.auto_deploy),
        branch: settings.branch,
        clone_url: settings.clone_url,
        deploy_key: settings.deploy_key.as_deref().map(read_secret_lines).transpose()?,
        known_hosts: settings.known_hosts.as_deref().map(read_text).transpose()?,
        provider: Some(args.provider),
        repo: args.repo,
        token: settings.token_file.as_deref().map(read_token).transpose()?,
        wait_for_ci: Some(args.wait_for_ci),
        webhook_secret: None,
    };
    let action = Action::start(&format!("Connecting {app} to {}", new.repo));
    let (connection, secret) = client.post_for_header(&path(&app), &new, SECRET_HEADER)?;
    action.done();
    show_secret(connection, secret, args.json)
}

fn update(client: &Client, args: Update) -> Result<(), CliError> {
    let app = args.target.app()?;
    let settings = args.settings;
    let change = ConnectionChange {
        auto_deploy: args.auto_deploy,
        branch: settings.branch,
        clone_url: settings.clone_url,
        deploy_key: settings.deploy_key.as_deref().map(read_secret_lines).transpose()?.map(Some),
        known_hosts: settings.known_hosts.as_deref().map(read_text).transpose()?.map(Some),
        token: settings.token_file.as_deref().map(read_token).transpose()?.map(Some),
        wait_for_ci: args.wait_for_ci,
        webhook_secret: None,
    };
    let action = Action::start(&format!("Updating the connection of {app}"));
    client.patch::<Connection>(&path(&app), &change)?;
    action.done();
    Ok(())
}

fn new_secret(client: &Client, args: &One) -> Result<(), CliError> {
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

fn disconnect(client: &Client, args: &Disconnect) -> Result<(), CliError> {
    let app = args.target.app()?;
    let action = Action::start(&format!("Disconnecting {app}"));
    client.delete::<Connection>(&path(&app))?;
    action.done();
    Ok(())
}

/// Asks for a deploy and shows its build to its end.
fn deploy(client: &Client, args: &Deploy) -> Result<(), CliError> {
    let app = args.target.app()?;
    let action = Action::start(&format!("Deploying {}", args.branch.as_deref().unwrap_or(&app)));
    let asked: RepositoryDeploy =
        client.post(&format!("{}/push", path(&app)), &NewRepositoryDeploy { branch: args.branch.clone() })?;
    let deploy = follow(client, &format!("{}/deploys/{}", path(&app), asked.id))?;
    action.done();
    let Some(build) = deploy.build else {
        return Err(CliError::User(format!("It was not deployed: {}", deploy.reason.unwrap_or_default())));
    };
    let at = format!("{}/builds/{}", app_path(&app), build.id);
    let build: Build = client.get(&at)?;
    // The log is what is being done; the data is the release.
    io::copy(&mut client.stream(&build.output_stream_url)?, &mut anstream::stderr())?;
    let build: Build = client.get(&at)?;
    if args.json {
        print_json(&build)?;
    }
    match (build.status.as_str(), build.release) {
        ("succeeded", Some(_)) if args.json => Ok(()),
        ("succeeded", Some(_)) => print(&format!("Build {} succeeded\n", build.id)),
        _ => Err(CliError::User("Build failed".into())),
    }
}

/// Waits until a build has been accepted, or there will be none. hoist itself gives up in time; until then it says why it waits.
fn follow(client: &Client, path: &str) -> Result<RepositoryDeploy, CliError> {
    let mut said = None;
    loop {
        let deploy: RepositoryDeploy = client.get(path)?;
        if deploy.state == "done" {
            return Ok(deploy);
        }
        if deploy.reason.is_some() && deploy.reason != said {
            output::note(&format!("waiting: {}", deploy.reason.as_deref().unwrap_or_default()));
            said = deploy.reason;
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}

fn list_deploys(client: &Client, args: &One) -> Result<(), CliError> {
    let app = args.target.app()?;
    let mut deploys: Vec<RepositoryDeploy> = client.list(&format!("{}/deploys", path(&app)))?;
    deploys.sort_by_key(|deploy| std::cmp::Reverse(deploy.created_at.0));
    if args.json {
        return print_json(&deploys);
    }
    if deploys.is_empty() {
        return print(&format!("{app} has no deploys from a repository\n"));
    }
    let row = |deploy: RepositoryDeploy| -> Result<_, CliError> {
        let outcome = deploy.build.map(|build| format!("build {}", build.id)).or(deploy.reason).unwrap_or_default();
        let commit: String = deploy.commit.unwrap_or_default().chars().take(8).collect();
        Ok([text(&deploy.created_at)?, deploy.branch, commit, deploy.cause, deploy.state, outcome])
    };
    let rows = deploys.into_iter().map(row).collect::<Result<Vec<_>, _>>()?;
    print(&output::table(["Created", "Branch", "Commit", "Cause", "State", "Outcome"], &rows))
}

fn path(app: &str) -> String {
    format!("{}/github", app_path(app))
}

pub(super) fn read_text(file: &Path) -> Result<String, CliError> {
    let read = if file == Path::new("-") { io::read_to_string(io::stdin()) } else { std::fs::read_to_string(file) };
    read.map_err(|error| CliError::User(format!("can't read {}: {error}", file.display())))
}

/// A key's last line must end.
pub(super) fn read_secret_lines(file: &Path) -> Result<Secret, CliError> {
    read_text(file).map(Secret::new)
}

pub(super) fn read_token(file: &Path) -> Result<Secret, CliError> {
    read_text(file).map(|text| Secret::new(text.trim()))
}
