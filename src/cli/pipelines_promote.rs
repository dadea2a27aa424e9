//! `hoist pipelines:promote`, `pipelines:diff`

use std::thread;
use std::time::Duration;

use clap::Args;

use super::client::Client;
use super::error::CliError;
use super::output::{note, print, warn};
use super::pipelines::{OfApp, coupling_of, members};
use super::target::{Target, app_path};
use crate::api::types::{
    App, IdRef, NewPipelinePromotion, NewPromotionSource, NewPromotionTarget, PipelinePromotion, PipelinePromotionTarget,
    Release, Slug,
};
use crate::model::Stage;

/// Between two looks at a promotion that goes on, and the number of looks.
const INTERVAL: Duration = Duration::from_secs(1);
const LOOKS: usize = 3600;

#[derive(Debug, Args)]
pub(super) struct Promote {
    #[command(flatten)]
    target: Target,
    /// Apps to promote to, with commas between [default: all of the next stage]
    #[arg(short, long, value_delimiter = ',')]
    to: Vec<String>,
}

/// Texts of heroku-api 4.5.
pub(super) fn promote(client: &Client, args: &Promote) -> Result<(), CliError> {
    note("Fetching app info...");
    let coupling = coupling_of(client, &args.target)?;
    let name = args.target.app()?;
    note(&format!("Fetching apps from {}...", coupling.pipeline.name));
    let apps = members(client, &coupling.pipeline.id.to_string())?;
    let stage: Stage = coupling.stage.parse().map_err(|error: crate::model::Invalid| CliError::User(error.to_string()))?;
    let targets = if args.to.is_empty() { downstream(&apps, &name, stage)? } else { named(&apps, &args.to)? };
    if args.to.is_empty() {
        note(&format!("Starting promotion to {}...", stage.next().unwrap_or(stage)));
    } else {
        note(&format!("Starting promotion to apps: {}...", args.to.join(", ")));
    }
    let new = NewPipelinePromotion {
        pipeline: IdRef { id: coupling.pipeline.id.to_string() },
        source: NewPromotionSource { app: IdRef { id: coupling.app.id.to_string() }, release: None },
        targets: targets.iter().map(|app| NewPromotionTarget { app: IdRef { id: app.id.to_string() } }).collect(),
    };
    let promotion: PipelinePromotion = client.post("/pipeline-promotions", &new)?;
    note("Waiting for promotion to complete...");
    let outcomes = outcomes(client, &promotion)?;
    let failed = outcomes.iter().any(|outcome| outcome.status == "failed");
    if failed {
        warn("Promotion to some apps failed");
    }
    let lines = outcomes.iter().map(|outcome| {
        let name = targets
            .iter()
            .find(|app| app.id == outcome.app.id)
            .map_or_else(|| outcome.app.id.to_string(), |app| app.name.clone());
        let why = outcome.error_message.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        format!("{name}: {}{why}\n", outcome.status)
    });
    let head = if failed { "" } else { "\nPromotion successful\n" };
    print(&(head.to_owned() + &lines.collect::<String>()))?;
    if failed { Err(CliError::User("Not every app was promoted to.".into())) } else { Ok(()) }
}

fn downstream<'a>(apps: &'a [(App, Stage)], name: &str, stage: Stage) -> Result<Vec<&'a App>, CliError> {
    let next = stage.next().ok_or_else(|| CliError::User(format!("Cannot promote {name} from '{stage}' stage")))?;
    let targets: Vec<_> = apps.iter().filter(|(_, stage)| *stage == next).map(|(app, _)| app).collect();
    if targets.is_empty() {
        return Err(CliError::User(format!("Cannot promote from {name} as there are no downstream apps in {next} stage")));
    }
    Ok(targets)
}

fn named<'a>(apps: &'a [(App, Stage)], names: &[String]) -> Result<Vec<&'a App>, CliError> {
    let find = |name: &String| {
        let found = apps.iter().find(|(app, _)| app.name == *name || app.id.to_string() == *name);
        found.map(|(app, _)| app).ok_or_else(|| CliError::User(format!("Cannot find app {name} in this pipeline.")))
    };
    names.iter().map(find).collect()
}

/// Waits until each app has its outcome.
fn outcomes(client: &Client, promotion: &PipelinePromotion) -> Result<Vec<PipelinePromotionTarget>, CliError> {
    for _ in 0..LOOKS {
        let outcomes: Vec<PipelinePromotionTarget> =
            client.list(&format!("/pipeline-promotions/{}/promotion-targets", promotion.id))?;
        if outcomes.iter().all(|outcome| outcome.status != "pending") {
            return Ok(outcomes);
        }
        thread::sleep(INTERVAL);
    }
    Err(CliError::User("The promotion takes longer than an hour; see `hoist releases` of the apps.".into()))
}

/// Compares by what the releases say of their code: hoist knows no other place where it is.
pub(super) fn diff(client: &Client, args: &OfApp) -> Result<(), CliError> {
    let coupling = coupling_of(client, &args.target)?;
    let name = args.target.app()?;
    let apps = members(client, &coupling.pipeline.id.to_string())?;
    let stage: Stage = coupling.stage.parse().map_err(|error: crate::model::Invalid| CliError::User(error.to_string()))?;
    let Some(next) = stage.next() else {
        return Err(CliError::User(format!("{name} is not promoted any further from '{stage}' stage.")));
    };
    let source = current_slug(client, &name)?.ok_or_else(|| CliError::User(format!("No release was found for {name}.")))?;
    let mut lines = Vec::new();
    for (app, _) in apps.iter().filter(|(_, stage)| *stage == next) {
        lines.push(match current_slug(client, &app.name)? {
            None => format!("\n{name} was not compared to {0} as {0} does not have any releases\n", app.name),
            Some(slug) if slug.checksum == source.checksum => format!("\n{name} is up to date with {}\n", app.name),
            Some(slug) => format!("\n{name} ({}) differs from {} ({})\n", commit(&source), app.name, commit(&slug)),
        });
    }
    if lines.is_empty() {
        return Err(CliError::User(format!("Cannot diff {name} as there are no downstream apps configured")));
    }
    print(&lines.concat())
}

fn commit(slug: &Slug) -> String {
    slug.commit.as_ref().map_or_else(|| "no commit".to_owned(), |commit| commit.chars().take(8).collect())
}

/// The slug of an app's current release.
fn current_slug(client: &Client, app: &str) -> Result<Option<Slug>, CliError> {
    let releases: Vec<Release> = client.part(&format!("{}/releases", app_path(app)), "version ..; max=100, order=desc")?;
    let current = releases.into_iter().find(|release| release.current).and_then(|release| release.slug);
    current.map(|slug| client.get(&format!("{}/slugs/{}", app_path(app), slug.id))).transpose()
}
