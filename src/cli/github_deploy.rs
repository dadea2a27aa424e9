//! `hoist github:deploy`, `github:deploys`: what is deployed from an app's repository

use std::io;
use std::time::Duration;

use clap::Args;

use super::client::Client;
use super::error::CliError;
use super::github::path;
use super::output::{self, Action, print, print_json};
use super::target::{Shown, Target, app_path};
use super::webhooks_deliveries::text;
use crate::api::types::{Build, NewRepositoryDeploy, RepositoryDeploy};

/// Between two looks at a deploy that has no build yet.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

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

/// Asks for a deploy and shows its build to its end.
pub(super) fn deploy(client: &Client, args: &Deploy) -> Result<(), CliError> {
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

/// The newest, first.
pub(super) fn list(client: &Client, args: &Shown) -> Result<(), CliError> {
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
