//! `hoist rollback`, `releases:retry`, `releases:block`, `releases:verify`, `releases:diff`

use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::client::Client;
use super::error::CliError;
use super::output::{self, Action, note, print, print_json, warn};
use super::target::{Target, app_path, encode};
use crate::api::types::{Block, KeyChanges, NewBlock, NewRelease, OciImage, Release, ReleaseDiff, Side, Slug, Verification};
use crate::model::ProcessType;

/// Between two looks at a command that starts when those of earlier releases have ended, and the number of looks.
const INTERVAL: Duration = Duration::from_millis(100);
const LOOKS: usize = 50;

#[derive(Debug, Subcommand)]
pub(super) enum Ledger {
    /// Roll back to a previous release
    #[command(name = "releases:rollback", alias = "rollback")]
    Rollback(Rollback),
    /// Retry the latest release-phase command
    #[command(name = "releases:retry")]
    Retry(Retry),
    /// Mark a release as one that nobody may roll back to, for good
    #[command(name = "releases:block")]
    Block(BlockArgs),
    /// Prove that every release is as it was appended
    #[command(name = "releases:verify")]
    Verify(Verify),
    /// Show what changed from one release to another
    #[command(name = "releases:diff")]
    Diff(Diff),
}

#[derive(Debug, Args)]
pub(super) struct Rollback {
    /// Version or id of the release; the one before the current one if none is given
    release: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Retry {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct BlockArgs {
    /// Version or id of the release
    release: String,
    /// Why nobody may go back to it
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    target: Target,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Diff {
    /// Version or id of the release to start from
    from: String,
    /// Version or id of the release to compare it with
    to: String,
    #[command(flatten)]
    target: Target,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

impl Ledger {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::Rollback(args) => roll_back(&client, &args),
            Self::Retry(args) => retry(&client, &args),
            Self::Block(args) => block(&client, &args),
            Self::Verify(args) => verify(&client, &args),
            Self::Diff(args) => diff(&client, &args),
        }
    }
}

fn roll_back(client: &Client, args: &Rollback) -> Result<(), CliError> {
    let app = args.target.app()?;
    let path = format!("{}/releases", app_path(&app));
    let target: Release = match &args.release {
        Some(release) => client.get(&format!("{path}/{}", encode(release)))?,
        None => previous(client, &path)?,
    };
    let action = Action::start(&format!("Rolling back {app} to v{}", target.version));
    let made: Release = client.post(&path, &NewRelease { release: Some(target.id.to_string()), ..NewRelease::default() })?;
    action.done_with(&format!("v{}", made.version));
    warn("Rollback affects code and config vars; it doesn't add or remove addons.");
    warn(&format!("To undo, run: hoist rollback v{}", made.version - 1));
    follow(client, &made)
}

/// The newest release before the current one that can be gone back to.
fn previous(client: &Client, path: &str) -> Result<Release, CliError> {
    let releases: Vec<Release> = client.part(path, "version ..; max=200, order=desc")?;
    let previous = releases.into_iter().find(|release| release.eligible_for_rollback && !release.current);
    previous.ok_or_else(|| CliError::User("There is no earlier release to roll back to.".into()))
}

fn retry(client: &Client, args: &Retry) -> Result<(), CliError> {
    let app = args.target.app()?;
    let path = format!("{}/releases", app_path(&app));
    let newest: Option<Release> = client.part(&path, "version ..; max=1, order=desc")?.into_iter().next();
    let newest = newest.ok_or_else(|| CliError::Command("No release found for this app.".into()))?;
    let no_command = || CliError::Command("App must have a release-phase command to use this command.".into());
    if !process_types(client, &app, &newest)?.iter().any(ProcessType::is_release) {
        return Err(no_command());
    }
    let action = Action::start(&format!("Retrying v{} on {app}", newest.version));
    let description = format!("Retry of v{}: {}", newest.version, newest.description);
    let slug = newest.slug.map(|slug| slug.id.to_string());
    let oci_image = newest.oci_image.map(|image| image.id.to_string());
    let new = NewRelease { description: Some(description), slug, oci_image, release: None };
    let made: Release = client.post(&path, &new)?;
    action.done_with(&format!("v{}", made.version));
    follow(client, &made)
}

/// The process types of a release; none when there is no code in it.
fn process_types(client: &Client, app: &str, release: &Release) -> Result<Vec<ProcessType>, CliError> {
    if let Some(slug) = &release.slug {
        let slug: Slug = client.get(&format!("{}/slugs/{}", app_path(app), slug.id))?;
        return Ok(slug.process_types.into_keys().collect());
    }
    let Some(image) = &release.oci_image else { return Ok(Vec::new()) };
    let images: Vec<OciImage> = client.get(&format!("{}/oci-images/{}", app_path(app), image.id))?;
    Ok(images.into_iter().flat_map(|image| image.process_types.into_keys()).collect())
}

/// Shows what the release's command prints, if it has one.
fn follow(client: &Client, release: &Release) -> Result<(), CliError> {
    let Some(url) = &release.output_stream_url else { return Ok(()) };
    print("Running release command...\n")?;
    for _ in 0..LOOKS {
        match client.stream(url) {
            Ok(stream) => return output::print_stream(stream),
            Err(CliError::Api { id, .. }) if id == "not_found" => thread::sleep(INTERVAL),
            Err(error) => return Err(error),
        }
    }
    warn("Release command not started yet. To see its output, run: hoist releases:output");
    Ok(())
}

fn block(client: &Client, args: &BlockArgs) -> Result<(), CliError> {
    let app = args.target.app()?;
    let path = format!("{}/releases/{}", app_path(&app), encode(&args.release));
    let release: Release = client.get(&path)?;
    let action = Action::start(&format!("Blocking v{} of {app}", release.version));
    let _: Block = client.put(&format!("{path}/block"), &NewBlock { reason: args.reason.clone() })?;
    action.done();
    if release.current {
        warn("It is the current release and goes on running. To leave it, run: hoist rollback");
    }
    Ok(())
}

fn verify(client: &Client, args: &Verify) -> Result<(), CliError> {
    let app = args.target.app()?;
    let found: Verification = client.get(&format!("{}/releases/verification", app_path(&app)))?;
    let faults = found.broken.len() + found.left_out as usize;
    if args.json {
        print_json(&found)?;
    } else {
        let head = found.head.clone().unwrap_or_default();
        let fields = output::fields([("Releases", found.releases.to_string()), ("Head", head)]);
        let broken = found.broken.iter().map(|broken| format!("{}\n", broken.message)).collect::<Vec<_>>().concat();
        let more = if found.left_out > 0 { format!("And {} more.\n", found.left_out) } else { String::new() };
        let verdict = if found.valid { "Every release is as it was appended.\n".to_owned() } else { broken + &more };
        print(&format!("{}{fields}\n{verdict}", output::header(&format!("{app} Ledger"))))?;
    }
    match faults {
        0 => Ok(()),
        1 => Err(CliError::User(format!("The ledger of {app} was changed in 1 place."))),
        faults => Err(CliError::User(format!("The ledger of {app} was changed in {faults} places."))),
    }
}

fn diff(client: &Client, args: &Diff) -> Result<(), CliError> {
    let app = args.target.app()?;
    let path = format!("{}/releases/{}/diff/{}", app_path(&app), encode(&args.from), encode(&args.to));
    let diff: ReleaseDiff = client.get(&path)?;
    if args.json {
        return print_json(&diff);
    }
    let title = format!("{app} v{}..v{}", diff.from.version, diff.to.version);
    let fields = output::fields([("Commits", commits(&diff.from, &diff.to)), ("Stack", stack(&diff.from, &diff.to))]);
    let config = lines(&diff.config, ToOwned::to_owned);
    let command =
        |side: &Side, name: &str| side.process_types.iter().find(|(key, _)| key.as_str() == name).map(|(_, it)| it.clone());
    let types = lines(&diff.process_types, |name| {
        let command = command(&diff.to, name).or_else(|| command(&diff.from, name)).unwrap_or_default();
        format!("{name}: {command}")
    });
    let images = lines(&diff.images, ToOwned::to_owned);
    let addons = lines(&diff.addons, ToOwned::to_owned);
    let files = match &diff.files {
        Some(files) => {
            let changes =
                KeyChanges { added: files.added.clone(), removed: files.removed.clone(), changed: files.changed.clone() };
            let more = if files.left_out > 0 { format!("  and {} more\n", files.left_out) } else { String::new() };
            lines(&changes, ToOwned::to_owned) + &more
        }
        None => String::new(),
    };
    let sections = [("Config Vars", config), ("Process Types", types), ("Images", images), ("Add-ons", addons), ("Files", files)];
    let sections = sections.into_iter().filter(|(_, lines)| !lines.is_empty());
    let sections = sections.map(|(title, lines)| format!("\n{}{lines}", output::header(title))).collect::<Vec<_>>().concat();
    print(&format!("{}{fields}{sections}", output::header(&title)))?;
    if let Some(why) = &diff.files_unavailable {
        note(why);
    }
    Ok(())
}

/// `32345678..a617a93d`, as git takes it.
fn commits(from: &Side, to: &Side) -> String {
    let short = |side: &Side| side.commit.as_ref().map_or_else(|| "none".to_owned(), |commit| commit.chars().take(8).collect());
    if from.commit == to.commit { format!("{} (unchanged)", short(from)) } else { format!("{}..{}", short(from), short(to)) }
}

fn stack(from: &Side, to: &Side) -> String {
    let name = |side: &Side| side.stack.clone().unwrap_or_else(|| "none".into());
    match (from.stack == to.stack, from.stack_digest == to.stack_digest) {
        (true, true) => format!("{} (unchanged)", name(from)),
        // Rebuilt under its name, with newer packages.
        (true, false) => format!("{} (updated)", name(from)),
        (false, _) => format!("{} -> {}", name(from), name(to)),
    }
}

/// A line for each change, marked as `diff` does. Names come from strangers' archives and must not steer the terminal.
fn lines(changes: &KeyChanges, text: impl Fn(&String) -> String) -> String {
    let marked = [("+", &changes.added), ("-", &changes.removed), ("~", &changes.changed)];
    let line = |mark: &str, name: &String| format!("{mark} {}\n", visible(&text(name)));
    marked.iter().flat_map(|(mark, names)| names.iter().map(|name| line(mark, name)).collect::<Vec<_>>()).collect()
}

fn visible(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}
