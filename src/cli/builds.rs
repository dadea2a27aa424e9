//! `hoist builds`, `builds:output`

use clap::{Args, Subcommand};
use time::OffsetDateTime;

use super::client::Client;
use super::error::CliError;
use super::output::{self, print, print_json};
use super::target::{Target, app_path, encode};
use crate::api::types::Build;

#[derive(Debug, Subcommand)]
pub(super) enum Builds {
    /// List the builds of an app
    #[command(name = "builds")]
    List(List),
    /// Show a build's output, following it to its end
    #[command(name = "builds:output")]
    Output(Output),
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
pub(super) struct Output {
    /// Id of the build; the newest if none is given
    build: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Builds {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(args) => list(&client, &args),
            Self::Output(args) => show(&client, &args),
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
    let version = build.source_blob.version.unwrap_or_default().chars().take(8).collect();
    [build.id.to_string(), version, build.status, build.user.email, output::ago(build.created_at.0, now)]
}

fn show(client: &Client, args: &Output) -> Result<(), CliError> {
    let app = args.target.app()?;
    let build: Build = if let Some(build) = &args.build {
        client.get(&format!("{}/builds/{}", app_path(&app), encode(build)))?
    } else {
        let newest = newest(client, &app, 1)?.into_iter().next();
        newest.ok_or_else(|| CliError::User(format!("{app} has no builds.")))?
    };
    let mut stream = client.stream(&build.output_stream_url)?;
    let mut stdout = anstream::stdout();
    std::io::copy(&mut stream, &mut stdout)?;
    Ok(())
}

fn newest(client: &Client, app: &str, most: u32) -> Result<Vec<Build>, CliError> {
    client.part(&format!("{}/builds", app_path(app)), &format!("created_at ..; max={most}, order=desc"))
}
