//! `hoist releases`, `releases:info`, `releases:output`; `releases:compose` and `releases:kube` in files of their own.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use time::OffsetDateTime;

use super::builds::used_buildpacks;
use super::client::Client;
use super::error::CliError;
use super::output::{self, print, print_json};
use super::releases_compose::Compose;
use super::releases_kube::Kube;
use super::target::{Target, app_path, encode};
use crate::api::types::{OciImage, Release};
use crate::model::OciImageId;

#[derive(Debug, Subcommand)]
pub(super) enum Releases {
    /// Display the releases for an app
    #[command(name = "releases")]
    List(List),
    /// View detailed information for a release
    #[command(name = "releases:info")]
    Info(Info),
    /// View the output of a release's command, following it to its end
    #[command(name = "releases:output")]
    Output(Output),
    /// Print a Compose file that runs a release
    #[command(name = "releases:compose")]
    Compose(Compose),
    /// Print Kubernetes manifests that run a release
    #[command(name = "releases:kube")]
    Kube(Kube),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    target: Target,
    /// Number of releases to show
    #[arg(short, long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1000))]
    num: u32,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Info {
    /// Version or id of the release; the newest if none is given
    release: Option<String>,
    #[command(flatten)]
    target: Target,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Output {
    /// Version or id of the release; the newest if none is given
    release: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Releases {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(args) => list(&client, &args),
            Self::Info(args) => info(&client, &args),
            Self::Output(args) => show(&client, &args),
            Self::Compose(args) => args.run(&client),
            Self::Kube(args) => args.run(&client),
        }
    }
}

fn list(client: &Client, args: &List) -> Result<(), CliError> {
    let app = args.target.app()?;
    let range = format!("version ..; max={}, order=desc", args.num);
    let releases: Vec<Release> = client.part(&format!("{}/releases", app_path(&app)), &range)?;
    if args.json {
        return print_json(&releases);
    }
    let current = releases.iter().find(|release| release.current);
    let current = current.map(|release| format!(" - Current: v{}", release.version)).unwrap_or_default();
    let now = OffsetDateTime::now_utc();
    let rows: Vec<_> = releases.iter().map(|release| row(release, now)).collect();
    let table = output::table(["v", "description", "user", "created_at"], &rows);
    print(&(output::header(&format!("{app} Releases{current}")) + &table))
}

fn row(release: &Release, now: OffsetDateTime) -> [String; 4] {
    let description = format!("{} {}", release.description, status(release)).trim_end().to_owned();
    let created_at = output::ago(release.created_at.0, now);
    [format!("v{}", release.version), description, release.user.email.clone(), created_at]
}

fn info(client: &Client, args: &Info) -> Result<(), CliError> {
    let path = format!("{}/releases", args.target.path()?);
    let mut release = find(client, &path, args.release.as_deref())?;
    if args.release.is_none() {
        // A list does not tell all of a release.
        release = client.get(&format!("{path}/{}", release.version))?;
    }
    if args.json {
        return print_json(&release);
    }
    let vars: BTreeMap<String, String> = client.get(&format!("{path}/{}/config-vars", release.version))?;
    let change = match status(&release) {
        "" => release.description.clone(),
        status => format!("{} ({status})", release.description),
    };
    let created_at = serde_json::to_value(release.created_at).map_err(anyhow::Error::from)?;
    let blocked = release.blocked_reason.map(|reason| ("Blocked", reason));
    let fields = [
        ("By", release.user.email),
        ("Change", change),
        ("Eligible for Rollback?", if release.eligible_for_rollback { "Yes" } else { "No" }.into()),
        ("When", created_at.as_str().unwrap_or_default().into()),
    ];
    let images = images(client, args, release.oci_image.as_ref().map(|image| image.id))?;
    let addons = Some(release.addon_plan_names.join(", ")).filter(|plans| !plans.is_empty()).map(|plans| ("Add-ons", plans));
    let buildpacks = release.buildpacks.map(|used| ("Buildpacks", used_buildpacks(&used)));
    let signed = release.push_certificate.map(|certificate| ("Signed with", certificate.fingerprint));
    let fields = output::fields(addons.into_iter().chain(buildpacks).chain(fields).chain(signed).chain(images).chain(blocked));
    let vars = output::fields(vars.iter().map(|(key, value)| (key.as_str(), value.clone())));
    let version = format!("v{}", release.version);
    let heads = (output::header(&format!("Release {version}")), output::header(&format!("{version} Config vars")));
    print(&format!("{}{fields}\n{}{vars}", heads.0, heads.1))
}

/// `web (eacd9b960537)` for each process type that runs an image.
fn images(client: &Client, args: &Info, image: Option<OciImageId>) -> Result<Option<(&'static str, String)>, CliError> {
    let Some(image) = image else { return Ok(None) };
    let images: Vec<OciImage> = client.get(&format!("{}/oci-images/{image}", args.target.path()?))?;
    let short = |id: &str| id.trim_start_matches("sha256:").chars().take(12).collect::<String>();
    let process_types = images.iter().flat_map(|image| &image.process_types);
    let names =
        process_types.map(|(name, process)| format!("{name} ({})", short(process.image_id.as_deref().unwrap_or_default())));
    Ok(Some(("Images", names.collect::<Vec<_>>().join(", "))))
}

/// The release of this version or id, or the newest.
pub(super) fn find(client: &Client, path: &str, release: Option<&str>) -> Result<Release, CliError> {
    if let Some(release) = release {
        return client.get(&format!("{path}/{}", encode(release)));
    }
    let newest = client.part(path, "version ..; max=1, order=desc")?.into_iter().next();
    newest.ok_or_else(|| CliError::User("The app has no releases.".into()))
}

fn show(client: &Client, args: &Output) -> Result<(), CliError> {
    let release = find(client, &format!("{}/releases", args.target.path()?), args.release.as_deref())?;
    let Some(url) = &release.output_stream_url else {
        output::warn(&format!("Release v{} has no release output available.", release.version));
        return Ok(());
    };
    match client.stream(url) {
        Ok(stream) => output::print_stream(stream),
        Err(CliError::Api { id, .. }) if id == "not_found" => {
            output::warn("Release command not started yet. Try again in a few seconds.");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn status(release: &Release) -> &'static str {
    match release.status.as_str() {
        "pending" => "release command executing",
        "failed" => "release command failed",
        "expired" => "release expired",
        _ if release.blocked_reason.is_some() => "release blocked",
        _ => "",
    }
}
