//! `hoist webhooks:deliveries`, `webhooks:deliveries:info`, `webhooks:events`, `webhooks:events:info`

use clap::Args;

use super::client::Client;
use super::error::CliError;
use super::output::{self, print, print_json};
use super::target::{Shown, Target, app_path, encode};
use crate::api::types::{Timestamp, WebhookAttempt, WebhookDelivery, WebhookEvent};

/// As many as Heroku's CLI shows.
const MOST: usize = 1000;

#[derive(Debug, Args)]
pub(super) struct Deliveries {
    #[command(flatten)]
    target: Target,
    /// Filter deliveries by status
    #[arg(short, long)]
    status: Option<String>,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// ID of the delivery or the event
    id: String,
    #[command(flatten)]
    shown: Shown,
}

/// The newest deliveries, oldest first.
pub(super) fn list(client: &Client, args: &Deliveries) -> Result<(), CliError> {
    let app = args.target.app()?;
    let filter = args.status.as_ref().map(|status| format!("?eq%5Bstatus%5D={}", encode(status))).unwrap_or_default();
    let path = format!("{}/webhook-deliveries{filter}", app_path(&app));
    let mut deliveries: Vec<WebhookDelivery> = client.part(&path, &format!("seq ..; order=desc,max={MOST}"))?;
    deliveries.reverse();
    if args.json {
        return print_json(&deliveries);
    }
    if deliveries.is_empty() {
        return print(&format!("{app} has no deliveries\n"));
    }
    if deliveries.len() == MOST {
        output::warn(&format!("Only showing the {MOST} most recent deliveries"));
        output::warn("It is possible to filter deliveries by using the --status flag");
    }
    let rows = deliveries.into_iter().map(row).collect::<Result<Vec<_>, _>>()?;
    let heads = ["Delivery ID", "Created", "Status", "Include", "Level", "Attempts", "Code", "Error", "Next Attempt"];
    print(&output::table(heads, &rows))
}

fn row(delivery: WebhookDelivery) -> Result<[String; 9], CliError> {
    let (code, error) = last(delivery.last_attempt);
    Ok([
        delivery.id.to_string(),
        text(&delivery.created_at)?,
        delivery.status,
        delivery.event.include,
        delivery.webhook.level,
        delivery.num_attempts.to_string(),
        code,
        error,
        delivery.next_attempt_at.as_ref().map(text).transpose()?.unwrap_or_default(),
    ])
}

pub(super) fn info(client: &Client, args: &One) -> Result<(), CliError> {
    let path = args.shown.target.path()?;
    let delivery: WebhookDelivery = client.get(&format!("{path}/webhook-deliveries/{}", encode(&args.id)))?;
    if args.shown.json {
        return print_json(&delivery);
    }
    let event: WebhookEvent = client.get(&format!("{path}/webhook-events/{}", delivery.event.id))?;
    let (code, error) = last(delivery.last_attempt);
    let fields = [
        ("Created", text(&delivery.created_at)?),
        ("Event", delivery.event.id.to_string()),
        ("Webhook", delivery.webhook.id.to_string()),
        ("Status", delivery.status),
        ("Include", delivery.event.include),
        ("Level", delivery.webhook.level),
        ("Attempts", delivery.num_attempts.to_string()),
        ("Code", code),
        ("Error", error),
        ("Next Attempt", delivery.next_attempt_at.as_ref().map(text).transpose()?.unwrap_or_default()),
    ];
    let fields = output::fields(fields.into_iter().filter(|(_, value)| !value.is_empty()));
    print(&format!("{}{fields}\n{}", output::header(&delivery.id.to_string()), output::header("Event Payload")))?;
    print_json(&event.payload)
}

/// Oldest first.
pub(super) fn list_events(client: &Client, args: &Shown) -> Result<(), CliError> {
    let app = args.target.app()?;
    output::warn("webhooks:events is deprecated: use hoist webhooks:deliveries");
    let events: Vec<WebhookEvent> = client.list(&format!("{}/webhook-events", app_path(&app)))?;
    if args.json {
        return print_json(&events);
    }
    if events.is_empty() {
        return print(&format!("{app} has no events\n"));
    }
    let row = |event: WebhookEvent| {
        Ok([event.id.to_string(), event.payload.resource, event.payload.action, text(&event.payload.published_at)?])
    };
    let rows = events.into_iter().map(row).collect::<Result<Vec<_>, CliError>>()?;
    print(&output::table(["Event ID", "Resource", "Action", "Published At"], &rows))
}

pub(super) fn event_info(client: &Client, args: &One) -> Result<(), CliError> {
    output::warn("webhooks:events:info is deprecated: use hoist webhooks:deliveries:info");
    let event: WebhookEvent = client.get(&format!("{}/webhook-events/{}", args.shown.target.path()?, encode(&args.id)))?;
    if args.shown.json {
        return print_json(&event);
    }
    let payload = serde_json::to_string_pretty(&event.payload).map_err(anyhow::Error::from)?;
    print(&(output::header(&event.id.to_string()) + &output::fields([("payload", payload)])))
}

/// Code and error of the last attempt, empty where there is none.
fn last(attempt: Option<WebhookAttempt>) -> (String, String) {
    let Some(attempt) = attempt else { return Default::default() };
    (attempt.code.map(|code| code.to_string()).unwrap_or_default(), attempt.error_class.unwrap_or_default())
}

/// A time as the API writes it.
pub(super) fn text(at: &Timestamp) -> Result<String, CliError> {
    let json = serde_json::to_value(at).map_err(anyhow::Error::from)?;
    Ok(json.as_str().unwrap_or_default().to_owned())
}
