//! The lines of a log, and those that an event has in it (conventions 3.8, and what Heroku's own logs say).

use std::fmt;

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use crate::api::error::ApiError;
use crate::api::events::{Resource, resource};
use crate::api::types;
use crate::api::urls::Urls;
use crate::db::{self, Connection};
use crate::deploy::OutputLine;
use crate::model::{AddonBefore, AddonFacts, Change, Email, Event, Facts};

/// Under which name the API tells what it was asked to do.
pub(super) const API: &str = "api";

const FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]+00:00");

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The app, and its users through the API.
    App,
    Hoist,
}

impl Source {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Hoist => "hoist",
        }
    }
}

/// One line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) at: OffsetDateTime,
    pub(super) source: Source,
    /// Or `api`.
    pub(super) dyno: String,
    text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.to_offset(UtcOffset::UTC).format(FORMAT).map_err(|_| fmt::Error)?;
        // A command may have more than one line.
        let text = self.text.replace(['\r', '\n'], " ");
        write!(f, "{at} {}[{}]: {text}", self.source.as_str(), self.dyno)
    }
}

impl From<OutputLine> for Line {
    fn from(output: OutputLine) -> Self {
        Self { at: output.at, source: Source::App, dyno: output.process, text: output.text }
    }
}

/// The lines of an event.
pub(super) async fn of(db: &mut Connection, urls: &Urls, event: &Event) -> Result<Vec<Line>, ApiError> {
    let by = db::accounts::get(db, event.by).await?.email;
    let api = |text: String| Line { at: event.created_at, source: Source::App, dyno: API.into(), text };
    let texts = match resource(db, urls, event).await? {
        Resource::Dyno(dyno, reason) if event.action != Change::Create => return Ok(of_dyno(event, &dyno, reason)),
        Resource::Dyno(dyno, _) => vec![format!("Starting process with command `{}` by user {by}", dyno.command)],
        Resource::Build(build) => vec![of_build(&build, &by)],
        Resource::Release(release, reason) => of_release(event.action, &release, reason, &by),
        Resource::Formation(formation) => {
            vec![format!("Scaled to {}@{}:{} by user {by}", formation.kind, formation.quantity, formation.size)]
        }
        Resource::Addon(addon) => of_addon(event, &addon.name, &by).into_iter().collect(),
        // Of an app's first and last moments its releases tell, and of attachments too.
        Resource::App(_) | Resource::Collaborator(_) | Resource::AddonAttachment(_) => Vec::new(),
    };
    Ok(texts.into_iter().map(api).collect())
}

/// What no release tells: an add-on that could not be made has none.
fn of_addon(event: &Event, name: &str, by: &Email) -> Option<String> {
    match (event.action, &event.facts) {
        (Change::Create, _) => Some(format!("Creating add-on {name} by user {by}")),
        (Change::Update, Facts::Addon(AddonFacts { previous: Some(AddonBefore::Name(old)), .. })) => {
            Some(format!("Renamed add-on {old} to {name} by user {by}"))
        }
        (Change::Update, _) => None,
        (Change::Destroy, _) => Some(format!("Destroyed add-on {name} by user {by}")),
    }
}

fn of_build(build: &types::Build, by: &Email) -> String {
    match build.status.as_str() {
        "pending" => format!("Build started by user {by}"),
        "succeeded" => "Build succeeded".into(),
        _ => format!("Build failed -- check your build output: {}", build.output_stream_url),
    }
}

fn of_release(action: Change, release: &types::Release, reason: Option<String>, by: &Email) -> Vec<String> {
    let version = release.version;
    match (action, release.status.as_str()) {
        (Change::Create, _) => {
            vec![format!("Release v{version} created by user {by}"), format!("{} by user {by}", release.description)]
        }
        (_, "pending") => vec![format!("Running release v{version} commands by user {by}")],
        (_, "succeeded") => vec![format!("Release v{version} command succeeded")],
        (_, status) => {
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            let what = if status == "expired" { "has come too late" } else { "failed" };
            vec![format!("Release v{version} command {what}{reason}")]
        }
    }
}

fn of_dyno(event: &Event, dyno: &types::Dyno, reason: Option<String>) -> Vec<Line> {
    let texts = match (event.action, dyno.exit_status, reason) {
        (Change::Create | Change::Update, ..) => vec!["State changed from starting to up".to_owned()],
        (Change::Destroy, Some(status), _) => vec![format!("Process exited with status {status}"), ended(dyno)],
        (Change::Destroy, None, Some(reason)) => vec![format!("Process was ended: {reason}"), ended(dyno)],
        (Change::Destroy, None, None) => vec![ended(dyno)],
    };
    let line = |text| Line { at: event.created_at, source: Source::Hoist, dyno: dyno.name.clone(), text };
    texts.into_iter().map(line).collect()
}

fn ended(dyno: &types::Dyno) -> String {
    let state = if dyno.exit_status == Some(0) { "complete" } else { "crashed" };
    format!("State changed from up to {state}")
}
