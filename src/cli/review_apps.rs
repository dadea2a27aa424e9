//! `hoist reviewapps`, `reviewapps:enable`, `reviewapps:disable`, `reviewapps:create`, `reviewapps:wait`, `reviewapps:delete`

use std::thread::sleep;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::client::Client;
use super::error::CliError;
use super::output::{self, Action, print, print_json};
use super::pipelines::find;
use super::target::{app_path, encode};
use crate::api::types::{App, NewReviewApp, NewSourceBlob, PipelineRepo, ReviewApp, ReviewAppConfig, ReviewAppConfigChange};

/// Between two questions about a review app.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(super) enum ReviewApps {
    /// List a pipeline's review apps
    #[command(name = "reviewapps")]
    List(List),
    /// Enable review apps for a pipeline, or change what they are like
    #[command(name = "reviewapps:enable")]
    Enable(Enable),
    /// Disable review apps for a pipeline, or some of what they do
    #[command(name = "reviewapps:disable")]
    Disable(Disable),
    /// Create a review app from a branch of a pipeline's repository
    #[command(name = "reviewapps:create")]
    Create(Create),
    /// Wait for a review app to be created
    #[command(name = "reviewapps:wait")]
    Wait(Wait),
    /// Delete a review app, with its app
    #[command(name = "reviewapps:delete")]
    Delete(Delete),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    of: OfPipeline,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct OfPipeline {
    /// Name or id of the pipeline
    #[arg(short, long)]
    pipeline: String,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(super) struct Enable {
    #[command(flatten)]
    of: OfPipeline,
    /// Make one for each pull request
    #[arg(long)]
    autodeploy: bool,
    /// Destroy those that were not deployed for days
    #[arg(long)]
    autodestroy: bool,
    /// Deploy only what has passed CI
    #[arg(long)]
    wait_for_ci: bool,
    /// After how many days one is destroyed [default: 5]
    #[arg(long, value_name = "DAYS")]
    stale_days: Option<i64>,
    /// What their names begin with, as in NAME-pr-7
    #[arg(long, value_name = "NAME")]
    base_name: Option<String>,
    /// What pull requests from forks get: `refused`, `without_config_vars` or `with_config_vars` (whoever opens one can read them)
    #[arg(long, value_name = "HOW")]
    forks: Option<String>,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Disable {
    #[command(flatten)]
    of: OfPipeline,
    /// Make none for pull requests any more
    #[arg(long)]
    no_autodeploy: bool,
    /// Destroy none any more because of its age
    #[arg(long)]
    no_autodestroy: bool,
    /// Do not wait for CI any more
    #[arg(long)]
    no_wait_for_ci: bool,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    #[command(flatten)]
    of: OfPipeline,
    /// Branch to create the review app from
    #[arg(short, long)]
    branch: String,
    /// Wait until it is created
    #[arg(long)]
    wait: bool,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Wait {
    /// Name or id of the app
    app: String,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    /// Name or id of the app
    app: String,
}

impl ReviewApps {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(args) => list(&client, &args),
            Self::Enable(args) => enable(&client, &args),
            Self::Disable(args) => disable(&client, &args),
            Self::Create(args) => create(&client, &args),
            Self::Wait(args) => wait(&client, &args),
            Self::Delete(args) => delete(&client, &args),
        }
    }
}

fn list(client: &Client, args: &List) -> Result<(), CliError> {
    let pipeline = find(client, &args.of.pipeline)?;
    let review_apps: Vec<ReviewApp> = client.list(&format!("/pipelines/{}/review-apps", pipeline.id))?;
    if args.json {
        return print_json(&review_apps);
    }
    let mut rows = Vec::new();
    for one in review_apps {
        let app = match &one.app {
            Some(app) => client.get::<App>(&app_path(&app.id.to_string())).map_or_else(|_| String::new(), |app| app.name),
            None => String::new(),
        };
        let number = one.pr_number.map(|number| format!("#{number}")).unwrap_or_default();
        rows.push([one.branch, number, one.status, app, one.message.unwrap_or_default()]);
    }
    let header = output::header(&format!("{} Review Apps", pipeline.name));
    print(&(header + &output::table(["branch", "pull request", "status", "app name", "message"], &rows)))
}

/// As with Heroku's: flags change what is enabled, and without any it is enabled.
fn enable(client: &Client, args: &Enable) -> Result<(), CliError> {
    let action = Action::start("Configuring pipeline");
    let (path, repo) = config_of(client, &args.of)?;
    let set = |flag: bool| flag.then_some(true);
    let change = ReviewAppConfigChange {
        automatic_review_apps: set(args.autodeploy),
        base_name: args.base_name.clone().map(Some),
        destroy_stale_apps: set(args.autodestroy),
        forks: args.forks.clone(),
        repo,
        stale_days: args.stale_days,
        wait_for_ci: set(args.wait_for_ci),
    };
    let is_enabled = match client.get::<ReviewAppConfig>(&path) {
        Ok(_) => true,
        Err(CliError::Api { id, .. }) if id == "not_found" => false,
        Err(error) => return Err(error),
    };
    let config: ReviewAppConfig = if is_enabled { client.patch(&path, &change)? } else { client.post(&path, &change)? };
    action.done();
    if args.json { print_json(&config) } else { Ok(()) }
}

fn disable(client: &Client, args: &Disable) -> Result<(), CliError> {
    let action = Action::start("Configuring pipeline");
    let (path, _) = config_of(client, &args.of)?;
    let unset = |flag: bool| flag.then_some(false);
    let change = ReviewAppConfigChange {
        automatic_review_apps: unset(args.no_autodeploy),
        destroy_stale_apps: unset(args.no_autodestroy),
        wait_for_ci: unset(args.no_wait_for_ci),
        ..ReviewAppConfigChange::default()
    };
    if args.no_autodeploy || args.no_autodestroy || args.no_wait_for_ci {
        client.patch::<ReviewAppConfig>(&path, &change)?;
    } else {
        client.delete::<ReviewAppConfig>(&path)?;
    }
    action.done();
    Ok(())
}

/// Where the pipeline's configuration is, and which repository it is connected to.
fn config_of(client: &Client, of: &OfPipeline) -> Result<(String, Option<String>), CliError> {
    let pipeline = find(client, &of.pipeline)?;
    let repo = match client.get::<PipelineRepo>(&format!("/pipelines/{}/repo", pipeline.id)) {
        Ok(repo) => Some(repo.full_name),
        // What it takes to enable review apps, the API says.
        Err(CliError::Api { id, .. }) if id == "not_found" => None,
        Err(error) => return Err(error),
    };
    Ok((format!("/pipelines/{}/review-app-config", pipeline.id), repo))
}

fn create(client: &Client, args: &Create) -> Result<(), CliError> {
    let pipeline = find(client, &args.of.pipeline)?;
    let action = Action::start(&format!("Creating review app from {}", args.branch));
    let new = NewReviewApp {
        branch: args.branch.clone(),
        pipeline: pipeline.id.to_string(),
        source_blob: Some(NewSourceBlob { url: Some("resolve".into()), ..NewSourceBlob::default() }),
        ..NewReviewApp::default()
    };
    let made: ReviewApp = client.post("/review-apps", &new)?;
    action.done();
    let path = format!("/review-apps/{}", made.id);
    let made = follow(client, &path, made, |one| !is_under_way(one) || (!args.wait && one.app.is_some()))?;
    if args.json {
        print_json(&made)?;
    } else if let Some(app) = &made.app {
        let app: App = client.get(&app_path(&app.id.to_string()))?;
        let rest = if args.wait { String::new() } else { format!("; hoist reviewapps:wait {} shows when it is ready", app.name) };
        print(&format!("The review app is {}{rest}\n", app.name))?;
    }
    ended_well(&made)
}

fn wait(client: &Client, args: &Wait) -> Result<(), CliError> {
    let path = format!("{}/review-app", app_path(&args.app));
    let review_app = client.get(&path)?;
    let review_app = follow(client, &path, review_app, |one| !is_under_way(one))?;
    if args.json {
        print_json(&review_app)?;
    }
    ended_well(&review_app)
}

fn delete(client: &Client, args: &Delete) -> Result<(), CliError> {
    let review_app: ReviewApp = client.get(&format!("{}/review-app", app_path(&args.app)))?;
    let action = Action::start(&format!("Deleting review app {}", args.app));
    let path = format!("/review-apps/{}", encode(&review_app.id.to_string()));
    let review_app = client.delete(&path)?;
    follow(client, &path, review_app, |one| !is_under_way(one))?;
    action.done();
    Ok(())
}

/// Asks for the review app until it is as far as is waited for.
fn follow(
    client: &Client,
    path: &str,
    mut review_app: ReviewApp,
    is_enough: impl Fn(&ReviewApp) -> bool,
) -> Result<ReviewApp, CliError> {
    let action = Action::start("Waiting for the review app");
    while !is_enough(&review_app) {
        sleep(PAUSE);
        review_app = client.get(path)?;
    }
    action.done_with(&review_app.status);
    Ok(review_app)
}

fn is_under_way(review_app: &ReviewApp) -> bool {
    matches!(review_app.status.as_str(), "pending" | "creating" | "deleting")
}

fn ended_well(review_app: &ReviewApp) -> Result<(), CliError> {
    if review_app.status != "errored" {
        return Ok(());
    }
    let why = review_app.message.as_deref().unwrap_or("its app could not be set up");
    Err(CliError::User(format!("The review app of {} failed: {why}", review_app.branch)))
}
