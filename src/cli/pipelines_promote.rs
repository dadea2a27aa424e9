//! `hoist pipelines:promote`, `pipelines:diff`

use std::thread;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::client::Client;
use super::error::CliError;
use super::output::{note, print, print_json, warn};
use super::pipelines::{coupling_of, members};
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
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Diff {
    #[command(flatten)]
    target: Target,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

/// An app that would be promoted to.
#[derive(Debug, Serialize)]
struct Compared {
    app: String,
    /// Of what it runs, if that came with one.
    commit: Option<String>,
    is_up_to_date: bool,
    /// None before the first release of code. Its address lets anybody read it, so it is not for JSON.
    #[serde(skip)]
    slug: Option<Slug>,
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
    if args.json {
        print_json(&outcomes)?;
    }
    let failed = outcomes.iter().any(|outcome| outcome.status == "failed");
    if failed {
        warn("Promotion to some apps failed");
    }
    if !args.json {
        let head = if failed { "" } else { "\nPromotion successful\n" };
        print(&(head.to_owned() + &outcomes.iter().map(|outcome| describe(outcome, &targets)).collect::<String>()))?;
    }
    if failed { Err(CliError::User("Not every app was promoted to.".into())) } else { Ok(()) }
}

fn describe(outcome: &PipelinePromotionTarget, targets: &[&App]) -> String {
    let target = targets.iter().find(|app| app.id == outcome.app.id);
    let name = target.map_or_else(|| outcome.app.id.to_string(), |app| app.name.clone());
    let why = outcome.error_message.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    format!("{name}: {}{why}\n", outcome.status)
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
pub(super) fn diff(client: &Client, args: &Diff) -> Result<(), CliError> {
    let coupling = coupling_of(client, &args.target)?;
    let name = args.target.app()?;
    let apps = members(client, &coupling.pipeline.id.to_string())?;
    let stage: Stage = coupling.stage.parse().map_err(|error: crate::model::Invalid| CliError::User(error.to_string()))?;
    let Some(next) = stage.next() else {
        return Err(CliError::User(format!("{name} is not promoted any further from '{stage}' stage.")));
    };
    let source = current_slug(client, &name)?.ok_or_else(|| CliError::User(format!("No release was found for {name}.")))?;
    let mut all = Vec::new();
    for (app, _) in apps.into_iter().filter(|(_, stage)| *stage == next) {
        let slug = current_slug(client, &app.name)?;
        let is_up_to_date = slug.as_ref().is_some_and(|slug| slug.checksum == source.checksum);
        let commit = slug.as_ref().and_then(|slug| slug.commit.clone());
        all.push(Compared { app: app.name, commit, is_up_to_date, slug });
    }
    if all.is_empty() {
        return Err(CliError::User(format!("Cannot diff {name} as there are no downstream apps configured")));
    }
    if args.json {
        return print_json(&all);
    }
    print(&all.iter().map(|one| one.describe(&name, &source)).collect::<String>())
}

impl Compared {
    fn describe(&self, name: &str, source: &Slug) -> String {
        let app = &self.app;
        match &self.slug {
            None => format!("\n{name} was not compared to {app} as {app} does not have any releases\n"),
            Some(_) if self.is_up_to_date => format!("\n{name} is up to date with {app}\n"),
            Some(slug) => format!("\n{name} ({}) differs from {app} ({})\n", commit(source), commit(slug)),
        }
    }
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
