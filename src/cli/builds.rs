//! `hoist builds`, `builds:info`, `builds:output`, `builds:cancel`, `builds:cache:purge`; `builds:create` has its own file

use clap::{Args, Subcommand};
use time::OffsetDateTime;

use super::builds_create::{self, Create};
use super::client::Client;
use super::error::CliError;
use super::output::{self, Action, print, print_json};
use super::target::{Target, app_path, encode};
use crate::api::types::{Build, BuildFacts, PackReport, Release, UsedBuildpack};
use crate::model::seconds;

#[derive(Debug, Subcommand)]
pub(super) enum Builds {
    /// List the builds of an app
    #[command(name = "builds")]
    List(List),
    /// Show a build's output, following it to its end
    #[command(name = "builds:output")]
    Output(One),
    /// Build an archive, or what is in a folder now
    #[command(name = "builds:create")]
    Create(Create),
    /// View detailed information for a build
    #[command(name = "builds:info")]
    Info(Info),
    /// Cancel a build that runs or waits
    #[command(name = "builds:cancel")]
    Cancel(One),
    /// Let the next build start with an empty cache
    #[command(name = "builds:cache:purge")]
    PurgeCache(PurgeCache),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    target: Target,
    /// Number of builds to show
    #[arg(short, long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1000))]
    num: u32,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// Id of the build; the newest if none is given
    build: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Info {
    #[command(flatten)]
    one: One,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct PurgeCache {
    #[command(flatten)]
    target: Target,
    /// The app's name again, as at Heroku; nothing is lost that the next build can't make
    #[arg(short, long, value_name = "APP")]
    confirm: Option<String>,
}

impl Builds {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(args) => list(&client, &args),
            Self::Output(args) => show(&client, &args),
            Self::Create(args) => builds_create::create(&client, &args),
            Self::Info(args) => info(&client, &args),
            Self::Cancel(args) => cancel(&client, &args),
            Self::PurgeCache(args) => purge_cache(&client, &args),
        }
    }
}

fn list(client: &Client, args: &List) -> Result<(), CliError> {
    let app = args.target.app()?;
    let builds = newest(client, &app, args.num)?;
    if args.json {
        return print_json(&builds);
    }
    if builds.is_empty() {
        return print(&format!("{app} has no builds.\n"));
    }
    let now = OffsetDateTime::now_utc();
    let rows: Vec<_> = builds.into_iter().map(|build| row(build, now)).collect();
    let table = output::table(["id", "version", "status", "user", "created_at"], &rows);
    print(&(output::header(&format!("{app} Builds")) + &table))
}

fn row(build: Build, now: OffsetDateTime) -> [String; 5] {
    let status = status(&build);
    let version = build.source_blob.version.unwrap_or_default().chars().take(8).collect();
    [build.id.to_string(), version, status, build.user.email, output::ago(build.created_at.0, now)]
}

/// With the place in the queue of a build that waits.
fn status(build: &Build) -> String {
    match build.builds_ahead {
        Some(ahead) => format!("{}, {ahead} before it", build.status),
        None => build.status.clone(),
    }
}

fn show(client: &Client, args: &One) -> Result<(), CliError> {
    let build = args.get(client)?;
    output::print_stream(client.stream(&build.output_stream_url)?)
}

fn info(client: &Client, args: &Info) -> Result<(), CliError> {
    let mut build = args.one.get(client)?;
    if args.one.build.is_none() {
        // A list does not tell all of a build.
        build = client.get(&format!("{}/builds/{}", args.one.target.path()?, build.id))?;
    }
    if args.json {
        return print_json(&build);
    }
    let release: Option<Release> = match &build.release {
        Some(release) => Some(client.get(&format!("{}/releases/{}", args.one.target.path()?, release.id))?),
        None => None,
    };
    let status = status(&build);
    let buildpacks = used_buildpacks(build.buildpacks.as_deref().unwrap_or_default());
    let fields = [
        ("Buildpacks", buildpacks),
        ("By", build.user.email),
        ("Release", release.map(|release| format!("v{}", release.version)).unwrap_or_default()),
        ("Stack", build.stack),
        ("Status", status),
        ("Version", build.source_blob.version.unwrap_or_default()),
        ("When", output::ago(build.created_at.0, OffsetDateTime::now_utc())),
    ];
    let facts = build.facts.as_ref().map(facts).unwrap_or_default();
    let fields = output::fields(fields.into_iter().chain(facts).filter(|(_, value)| !value.is_empty()));
    print(&(output::header(&format!("Build {}", build.id)) + &fields))
}

fn facts(facts: &BuildFacts) -> Vec<(&'static str, String)> {
    let phases: Vec<_> = facts.phases.iter().map(|time| format!("{} {}", time.phase, seconds(time.milliseconds))).collect();
    let cache = [(facts.cache_restored, "restored"), (facts.cache_saved, "saved")];
    let cache: Vec<_> = cache.into_iter().filter_map(|(bytes, done)| Some(format!("{} {done}", output::size(bytes?)))).collect();
    let times = [("Took", format!("{} ({})", seconds(facts.total), phases.join(", "))), ("Cache", cache.join(", "))];
    times.into_iter().chain(facts.reports.iter().map(|report| ("Reported", reported(report)))).collect()
}

fn reported(report: &PackReport) -> String {
    let facts: Vec<_> = report.facts.iter().map(|(name, fact)| format!("{name} {fact}")).collect();
    match &report.problem {
        Some(problem) => format!("nothing by {}: {problem}", report.buildpack),
        None => format!("{} by {}", facts.join(", "), report.buildpack),
    }
}

fn cancel(client: &Client, args: &One) -> Result<(), CliError> {
    let (app, build) = (args.target.app()?, args.get(client)?);
    if build.status != "pending" {
        return Err(CliError::User(format!("Build {} has ended already: it has {}.", build.id, build.status)));
    }
    let action = Action::start(&format!("Cancelling build {} on {app}", build.id));
    let build: Build = client.delete(&format!("{}/builds/{}", app_path(&app), build.id))?;
    // Too late, if it was just being released.
    action.done_with(if build.status == "succeeded" { "but it was released before" } else { "" });
    Ok(())
}

fn purge_cache(client: &Client, args: &PurgeCache) -> Result<(), CliError> {
    let app = args.target.app()?;
    if let Some(confirmed) = args.confirm.as_deref().filter(|confirmed| *confirmed != app) {
        return Err(CliError::User(format!("Confirmation {confirmed} did not match {app}. Aborted.")));
    }
    let action = Action::start(&format!("Purging the build cache of {app}"));
    client.delete::<serde_json::Value>(&format!("{}/build-cache", app_path(&app)))?;
    action.done();
    Ok(())
}

impl One {
    fn get(&self, client: &Client) -> Result<Build, CliError> {
        let app = self.target.app()?;
        if let Some(build) = &self.build {
            return client.get(&format!("{}/builds/{}", app_path(&app), encode(build)));
        }
        let newest = newest(client, &app, 1)?.into_iter().next();
        newest.ok_or_else(|| CliError::User(format!("{app} has no builds.")))
    }
}

fn newest(client: &Client, app: &str, most: u32) -> Result<Vec<Build>, CliError> {
    client.part(&format!("{}/builds", app_path(app)), &format!("created_at ..; max={most}, order=desc"))
}

/// `heroku/go (1a2b3c4d), ./pack`: each with the beginning of its commit or digest.
pub(super) fn used_buildpacks(used: &[UsedBuildpack]) -> String {
    let one = |UsedBuildpack { name, version, .. }: &UsedBuildpack| match version {
        Some(version) => format!("{name} ({})", version.trim_start_matches("sha256:").chars().take(8).collect::<String>()),
        None => name.clone(),
    };
    used.iter().map(one).collect::<Vec<_>>().join(", ")
}
