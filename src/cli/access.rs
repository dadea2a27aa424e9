//! `hoist access`, `access:add`, `access:remove`

use clap::{Args, Subcommand};

use super::client::Client;
use super::error::CliError;
use super::output::{self, Action, print, print_json};
use super::target::{Target, app_path, encode};
use crate::api::types::{Collaborator, NewCollaborator};

#[derive(Debug, Subcommand)]
pub(super) enum Access {
    /// List who has access to an app
    #[command(name = "access")]
    List(List),
    /// Add a user to your app
    #[command(name = "access:add")]
    Add(Change),
    /// Remove a user from your app
    #[command(name = "access:remove")]
    Remove(Change),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    target: Target,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Change {
    /// E-mail address of the user
    email: String,
    #[command(flatten)]
    target: Target,
}

impl Access {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(args) => list(&client, &args),
            Self::Add(args) => add(&client, &args),
            Self::Remove(args) => remove(&client, &args),
        }
    }
}

fn list(client: &Client, args: &List) -> Result<(), CliError> {
    let collaborators: Vec<Collaborator> = client.list(&format!("{}/collaborators", args.target.path()?))?;
    if args.json {
        return print_json(&collaborators);
    }
    let rows = collaborators.into_iter().map(|one| {
        let permissions: Vec<_> = one.permissions.into_iter().map(|permission| permission.name).collect();
        [one.user.email, one.role, permissions.join(", ")]
    });
    print(&output::table(["email", "role", "permissions"], &rows.collect::<Vec<_>>()))
}

fn add(client: &Client, args: &Change) -> Result<(), CliError> {
    let app = args.target.app()?;
    let action = Action::start(&format!("Adding {} access to the app {app}", args.email));
    let new = NewCollaborator { user: args.email.clone() };
    client.post::<Collaborator>(&format!("{}/collaborators", app_path(&app)), &new)?;
    action.done();
    Ok(())
}

fn remove(client: &Client, args: &Change) -> Result<(), CliError> {
    let app = args.target.app()?;
    let action = Action::start(&format!("Removing {} access from the app {app}", args.email));
    client.delete::<Collaborator>(&format!("{}/collaborators/{}", app_path(&app), encode(&args.email)))?;
    action.done();
    Ok(())
}
