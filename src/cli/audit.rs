//! `hoist audit`

use clap::{Args, Subcommand};
use time::OffsetDateTime;

use super::client::Client;
use super::error::CliError;
use super::output::{self, ago, print, print_json};
use super::target::app_path;
use crate::api::types::AuditEvent;

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Show who changed an app, from where and when; without an app, what you did
    #[command(name = "audit")]
    List(List),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// App, of which you need the manage permission
    #[arg(short, long)]
    app: Option<String>,
    /// Number of events to show
    #[arg(short, long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1000))]
    num: u32,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub(super) fn run(self) -> Result<(), CliError> {
        let Self::List(args) = self;
        let path = args.app.as_deref().map_or_else(|| "/account".into(), app_path);
        let range = format!("number ..; max={}, order=desc", args.num);
        let events: Vec<AuditEvent> = Client::open()?.part(&format!("{path}/audit-events"), &range)?;
        if args.json {
            return print_json(&events);
        }
        let now = OffsetDateTime::now_utc();
        let rows: Vec<_> = events.iter().map(|event| row(event, now)).collect();
        print(&output::table(["when", "who", "what", "outcome", "from", "credential"], &rows))
    }
}

fn row(event: &AuditEvent, now: OffsetDateTime) -> [String; 6] {
    let who = event.actor.as_ref().map_or_else(|| "whoever runs hoist".into(), |actor| actor.email.clone());
    let outcome =
        event.outcome.as_ref().map_or_else(|| "cut off".into(), |outcome| format!("{} {}", outcome.status, outcome.detail));
    let from = format!("{} {}", event.request.door, event.request.ip_address.as_deref().unwrap_or_default());
    let what = format!("{} {} {}", event.kind, event.action, about(event));
    [ago(event.created_at.0, now), who, what, outcome, from, event.credential.clone()].map(|cell| cell.trim().to_owned())
}

/// The names of what was changed.
fn about(event: &AuditEvent) -> String {
    let names = event.data["fields"].as_array().into_iter().flatten().filter_map(|name| name.as_str());
    names.collect::<Vec<_>>().join(", ")
}
