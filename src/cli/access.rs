//! `hoist access`, `access:add`, `access:update`, `access:remove`

use clap::{Args, Subcommand};

use super::client::Client;
use super::error::CliError;
use super::output::{self, Action, print, print_json};
use super::target::{Shown, Target, app_path, encode};
use crate::api::types::{Collaborator, CollaboratorChange, NewCollaborator};
use crate::model::Permissions;

#[derive(Debug, Subcommand)]
pub(super) enum Access {
    /// List who has access to an app
    #[command(name = "access")]
    List(Shown),
    /// Add a user to your app
    #[command(name = "access:add")]
    Add(Add),
    /// Update what a collaborator may do in your app
    #[command(name = "access:update")]
    Update(Update),
    /// Remove a user from your app
    #[command(name = "access:remove")]
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// E-mail address of the user
    email: String,
    /// What the user may do, separated by commas: deploy, manage, operate, view [default: deploy,operate]
    #[arg(short, long, value_name = "LIST")]
    permissions: Option<Permissions>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// E-mail address of the user
    email: String,
    /// What the user may do from now on, separated by commas: deploy, manage, operate, view
    #[arg(short, long, value_name = "LIST")]
    permissions: Permissions,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
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
            Self::Add(args) => add(&client, args),
            Self::Update(args) => update(&client, &args),
            Self::Remove(args) => remove(&client, &args),
        }
    }
}

fn list(client: &Client, args: &Shown) -> Result<(), CliError> {
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

fn add(client: &Client, args: Add) -> Result<(), CliError> {
    let app = args.target.app()?;
    let with = args.permissions.as_ref().map(|all| format!(" with {} permissions", words(all).join(", ")));
    let action = Action::start(&format!("Adding {} access to the app {app}{}", args.email, with.unwrap_or_default()));
    let new = NewCollaborator { user: args.email, permissions: args.permissions.as_ref().map(words) };
    client.post::<Collaborator>(&format!("{}/collaborators", app_path(&app)), &new)?;
    action.done();
    Ok(())
}

fn update(client: &Client, args: &Update) -> Result<(), CliError> {
    let app = args.target.app()?;
    let action = Action::start(&format!("Updating {} in application {app} with {} permissions", args.email, args.permissions));
    let change = CollaboratorChange { permissions: words(&args.permissions) };
    client.patch::<Collaborator>(&format!("{}/collaborators/{}", app_path(&app), encode(&args.email)), &change)?;
    action.done();
    Ok(())
}

fn words(permissions: &Permissions) -> Vec<String> {
    permissions.iter().map(|permission| permission.to_string()).collect()
}

fn remove(client: &Client, args: &Remove) -> Result<(), CliError> {
    let app = args.target.app()?;
    let action = Action::start(&format!("Removing {} access from the app {app}", args.email));
    client.delete::<Collaborator>(&format!("{}/collaborators/{}", app_path(&app), encode(&args.email)))?;
    action.done();
    Ok(())
}
