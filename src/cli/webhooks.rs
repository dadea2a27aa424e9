//! `hoist webhooks`, `webhooks:add`, `webhooks:info`, `webhooks:update`, `webhooks:remove`; `webhooks:deliveries` and
//! `webhooks:events` have their own file

use clap::{Args, Subcommand};
use serde::Serialize;

use super::client::Client;
use super::error::CliError;
use super::output::{self, Action, print, print_json};
use super::target::{Shown, Target, app_path, encode};
use super::webhooks_deliveries::{self as deliveries, Deliveries, One};
use crate::api::types::{NewWebhook, Webhook, WebhookChange};
use crate::model::Secret;

/// Which header of the answer has a new webhook's secret.
const SECRET_HEADER: &str = "heroku-webhook-secret";

#[derive(Debug, Subcommand)]
pub(super) enum Webhooks {
    /// List webhooks on an app
    #[command(name = "webhooks")]
    List(Shown),
    /// Add a webhook to an app
    #[command(name = "webhooks:add")]
    Add(Add),
    /// Info for a webhook on an app
    #[command(name = "webhooks:info")]
    Info(Info),
    /// Update a webhook in an app
    #[command(name = "webhooks:update")]
    Update(Update),
    /// Remove a webhook from an app
    #[command(name = "webhooks:remove")]
    Remove(Remove),
    /// List webhook deliveries on an app
    #[command(name = "webhooks:deliveries")]
    Deliveries(Deliveries),
    /// Info for a webhook delivery on an app
    #[command(name = "webhooks:deliveries:info")]
    Delivery(One),
    /// List what has happened to an app
    #[command(name = "webhooks:events")]
    Events(Shown),
    /// Info for something that has happened to an app
    #[command(name = "webhooks:events:info")]
    Event(One),
}

/// What a webhook is made of.
#[derive(Debug, Args)]
struct Settings {
    #[command(flatten)]
    target: Target,
    /// Comma delimited event types your server will receive
    #[arg(short, long, value_delimiter = ',', required = true, value_name = "TYPES")]
    include: Vec<String>,
    /// `notify` does not retry, `sync` will retry until successful or timeout
    #[arg(short, long)]
    level: String,
    /// Value to sign delivery with in Heroku-Webhook-Hmac-SHA256 header
    #[arg(short, long)]
    secret: Option<String>,
    /// Authorization header to send with webhooks
    #[arg(short = 't', long)]
    authorization: Option<String>,
    /// URL for receiver
    #[arg(short, long)]
    url: String,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    settings: Settings,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Info {
    /// ID of the webhook
    id: String,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// ID of the webhook
    id: String,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// ID of the webhook to remove
    id: String,
    #[command(flatten)]
    target: Target,
}

/// A new webhook, with the secret that is shown this once.
#[derive(Debug, Serialize)]
struct Added {
    #[serde(flatten)]
    webhook: Webhook,
    secret: Option<String>,
}

impl Webhooks {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(args) => list(&client, &args),
            Self::Add(args) => add(&client, args),
            Self::Info(args) => info(&client, &args),
            Self::Update(args) => update(&client, args),
            Self::Remove(args) => remove(&client, &args),
            Self::Deliveries(args) => deliveries::list(&client, &args),
            Self::Delivery(args) => deliveries::info(&client, &args),
            Self::Events(args) => deliveries::list_events(&client, &args),
            Self::Event(args) => deliveries::event_info(&client, &args),
        }
    }
}

fn list(client: &Client, args: &Shown) -> Result<(), CliError> {
    let app = args.target.app()?;
    let mut webhooks: Vec<Webhook> = client.list(&format!("{}/webhooks", app_path(&app)))?;
    webhooks.sort_by_key(|webhook| webhook.created_at.0);
    if args.json {
        return print_json(&webhooks);
    }
    if webhooks.is_empty() {
        return print(&format!("{app} has no webhooks\nUse hoist webhooks:add to add one.\n"));
    }
    let row = |webhook: Webhook| [webhook.id.to_string(), webhook.url, webhook.include.join(","), webhook.level];
    let rows: Vec<_> = webhooks.into_iter().map(row).collect();
    print(&output::table(["Webhook ID", "URL", "Include", "Level"], &rows))
}

fn add(client: &Client, Add { settings, json }: Add) -> Result<(), CliError> {
    let app = settings.target.app()?;
    let action = Action::start(&format!("Adding webhook to {app}"));
    let new = NewWebhook {
        authorization: settings.authorization.map(Secret::new),
        include: trimmed(&settings.include),
        level: settings.level,
        secret: settings.secret.map(Secret::new),
        url: settings.url,
    };
    let path = format!("{}/webhooks", app_path(&app));
    let (webhook, secret) = client.post_for_header(&path, &new, SECRET_HEADER)?;
    action.done();
    if json {
        return print_json(&Added { webhook, secret });
    }
    let Some(secret) = secret else {
        output::warn("no secret found");
        return Ok(());
    };
    print(&format!("{}{secret}\n", output::header("Webhooks Signing Secret")))
}

fn info(client: &Client, args: &Info) -> Result<(), CliError> {
    let webhook: Webhook = client.get(&format!("{}/webhooks/{}", args.shown.target.path()?, encode(&args.id)))?;
    if args.shown.json {
        return print_json(&webhook);
    }
    let fields = output::fields([
        ("Include", webhook.include.join(",")),
        ("Level", webhook.level),
        ("URL", webhook.url),
        ("Webhook ID", webhook.id.to_string()),
    ]);
    print(&(output::header(&webhook.id.to_string()) + &fields))
}

fn update(client: &Client, Update { id, settings }: Update) -> Result<(), CliError> {
    let app = settings.target.app()?;
    let action = Action::start(&format!("Updating webhook {id} for {app}"));
    let change = WebhookChange {
        authorization: settings.authorization.map(|authorization| Some(Secret::new(authorization))),
        include: Some(trimmed(&settings.include)),
        level: Some(settings.level),
        secret: settings.secret.map(Secret::new),
        url: Some(settings.url),
    };
    client.patch::<Webhook>(&format!("{}/webhooks/{}", app_path(&app), encode(&id)), &change)?;
    action.done();
    Ok(())
}

fn remove(client: &Client, args: &Remove) -> Result<(), CliError> {
    let app = args.target.app()?;
    let action = Action::start(&format!("Removing webhook {} from {app}", args.id));
    client.delete::<Webhook>(&format!("{}/webhooks/{}", app_path(&app), encode(&args.id)))?;
    action.done();
    Ok(())
}

fn trimmed(names: &[String]) -> Vec<String> {
    names.iter().map(|name| name.trim().to_owned()).collect()
}
