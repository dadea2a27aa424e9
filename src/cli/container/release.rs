//! `hoist container:release`

use std::thread::sleep;
use std::time::Duration;

use clap::Args;

use super::{Purpose, container_app};
use crate::api::types::{self, FormationUpdate, FormationUpdates};
use crate::cli::client::Client;
use crate::cli::error::CliError;
use crate::cli::images;
use crate::cli::output::{self, Action, print};
use crate::cli::target::{Target, app_path};
use crate::model::ProcessType;

/// What was pushed last.
const TAG: &str = "latest";
const NEWEST: &str = "version ..; max=1, order=desc";
/// A release command has no output before it begins. As long as Heroku's CLI waits.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(in crate::cli) struct Release {
    /// Process types to release
    #[arg(required = true, value_name = "TYPE")]
    process_types: Vec<ProcessType>,
    #[command(flatten)]
    target: Target,
    /// Taken as Heroku's CLI takes it, and of no effect
    #[arg(short, long, hide = true)]
    verbose: bool,
}

pub(super) fn release(client: &Client, args: &Release) -> Result<(), CliError> {
    let app = container_app(client, &args.target, Purpose::Deploy)?;
    let update = |process_type: &ProcessType| {
        let image = images::image_id(client, &app, process_type.as_str(), TAG)?;
        Ok(FormationUpdate {
            kind: Some(process_type.to_string()),
            docker_image: Some(Some(image)),
            ..FormationUpdate::default()
        })
    };
    let updates = args.process_types.iter().map(update).collect::<Result<Vec<_>, CliError>>()?;
    let path = app_path(&app);
    let before = newest(client, &path)?;
    let names: Vec<_> = args.process_types.iter().map(ProcessType::as_str).collect();
    let action = Action::start(&format!("Releasing images {} to {app}", names.join(",")));
    client.patch::<Vec<types::Formation>>(&format!("{path}/formation"), &FormationUpdates { updates })?;
    action.done();
    let after = newest(client, &path)?;
    match after {
        Some(release) if before.is_none_or(|before| before.id != release.id) => follow(client, &path, &release),
        _ => Ok(()),
    }
}

fn newest(client: &Client, app: &str) -> Result<Option<types::Release>, CliError> {
    Ok(client.part(&format!("{app}/releases"), NEWEST)?.into_iter().next())
}

/// Shows the output of the release command, if there is one, until it has ended.
fn follow(client: &Client, app: &str, release: &types::Release) -> Result<(), CliError> {
    let mut status = release.status.clone();
    if let (Some(url), "pending") = (&release.output_stream_url, &*status) {
        print("Running release command...\n")?;
        show(client, url)?;
        status = client.get::<types::Release>(&format!("{app}/releases/{}", release.id))?.status;
    }
    if status == "failed" { Err(CliError::User("release command failed".into())) } else { Ok(()) }
}

fn show(client: &Client, url: &str) -> Result<(), CliError> {
    for _ in 0..TRIES {
        match client.stream(url) {
            Ok(stream) => return output::print_stream(stream),
            Err(CliError::Api { id, .. }) if id == "not_found" => sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    output::warn("The release command has not begun yet. See hoist releases:output.");
    Ok(())
}
