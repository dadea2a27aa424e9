//! `hoist notifications`, `notifications:add`, `notifications:remove`

use clap::{Args, Subcommand};

use super::client::Client;
use super::error::CliError;
use super::output::{self, Action, print, print_json};
use super::target::{Shown, Target, app_path, encode};
use crate::api::types::{NewNotification, Notification};

#[derive(Debug, Subcommand)]
pub(super) enum Notifications {
    /// List who is told of an app's releases
    #[command(name = "notifications")]
    List(Shown),
    /// Tell somebody of an app's releases, or run a command in each
    #[command(name = "notifications:add")]
    Add(Add),
    /// Tell somebody no more
    #[command(name = "notifications:remove")]
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    recipient: Recipient,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Recipient {
    /// URL that each release is posted to, as JSON
    #[arg(short, long)]
    url: Option<String>,
    /// Address that an e-mail is sent to
    #[arg(short, long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Command that is run in each release that succeeds
    #[arg(short, long)]
    command: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// ID of the notification
    id: String,
    #[command(flatten)]
    target: Target,
}

impl Notifications {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(args) => list(&client, &args),
            Self::Add(args) => add(&client, args),
            Self::Remove(args) => remove(&client, &args),
        }
    }
}

fn list(client: &Client, args: &Shown) -> Result<(), CliError> {
    let app = args.target.app()?;
    let mut notifications: Vec<Notification> = client.list(&format!("{}/notifications", app_path(&app)))?;
    notifications.sort_by_key(|notification| notification.created_at.0);
    if args.json {
        return print_json(&notifications);
    }
    if notifications.is_empty() {
        return print(&format!("{app} has no notifications\nUse hoist notifications:add to add one.\n"));
    }
    let row = |notification: Notification| [notification.id.to_string(), notification.kind, notification.target];
    let rows: Vec<_> = notifications.into_iter().map(row).collect();
    print(&output::table(["Notification ID", "Kind", "Target"], &rows))
}

fn add(client: &Client, Add { recipient, shown: Shown { target, json } }: Add) -> Result<(), CliError> {
    let app = target.app()?;
    let action = Action::start(&format!("Adding notification to {app}"));
    let given = [("url", recipient.url), ("email", recipient.email), ("command", recipient.command)];
    let given = given.into_iter().find_map(|(kind, target)| Some((kind, target?)));
    let (kind, target) = given.expect("clap asks for one of them");
    let new = NewNotification { kind: kind.into(), target };
    let added: Notification = client.post(&format!("{}/notifications", app_path(&app)), &new)?;
    action.done();
    if json {
        return print_json(&added);
    }
    Ok(())
}

fn remove(client: &Client, args: &Remove) -> Result<(), CliError> {
    let app = args.target.app()?;
    let action = Action::start(&format!("Removing notification {} from {app}", args.id));
    client.delete::<Notification>(&format!("{}/notifications/{}", app_path(&app), encode(&args.id)))?;
    action.done();
    Ok(())
}
