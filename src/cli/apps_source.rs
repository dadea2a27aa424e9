//! `hoist apps:root`, `apps:skip-unchanged`, `apps:follow`, `apps:unfollow`: what of which repository is an app's

use clap::{Args, Subcommand};

use super::client::Client;
use super::error::CliError;
use super::output::Action;
use super::target::{Target, app_path};
use crate::api::types::{App, AppChange};

#[derive(Debug, Subcommand)]
pub(super) enum AppsSource {
    /// Build an app from a folder of its repository
    #[command(name = "apps:root")]
    Root(Root),
    /// Release the slug again when a push has changed nothing of what it is made of
    #[command(name = "apps:skip-unchanged")]
    SkipUnchanged(SkipUnchanged),
    /// Deploy an app with each push to another one
    #[command(name = "apps:follow")]
    Follow(Follow),
    /// Deploy an app with its own pushes only
    #[command(name = "apps:unfollow")]
    Unfollow(Unfollow),
}

#[derive(Debug, Args)]
pub(super) struct Root {
    /// The folder, such as apps/web: the Procfile and all else of the app is in it
    #[arg(required_unless_present = "clear")]
    path: Option<String>,
    /// Build it from the whole repository again
    #[arg(long, conflicts_with = "path")]
    clear: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct SkipUnchanged {
    /// Build each push again
    #[arg(long)]
    off: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Follow {
    /// The app that is pushed to
    followed: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Unfollow {
    #[command(flatten)]
    target: Target,
}

impl AppsSource {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::Root(args) => set_root(&client, &args),
            Self::SkipUnchanged(args) => set_skip_unchanged(&client, &args),
            Self::Follow(args) => follow(&client, &args),
            Self::Unfollow(args) => unfollow(&client, &args),
        }
    }
}

fn set_root(client: &Client, args: &Root) -> Result<(), CliError> {
    let name = args.target.app()?;
    let what = args.path.as_deref().map_or_else(|| "the whole repository".to_owned(), |path| format!("the folder {path}"));
    let action = Action::start(&format!("Building {name} from {what}, from the next build on"));
    let change = AppChange { root: Some(args.path.clone().unwrap_or_default()), ..AppChange::default() };
    client.patch::<App>(&app_path(&name), &change)?;
    action.done();
    Ok(())
}

fn set_skip_unchanged(client: &Client, args: &SkipUnchanged) -> Result<(), CliError> {
    let name = args.target.app()?;
    let what = if args.off { "Building each push of" } else { "Building only what has changed of" };
    let action = Action::start(&format!("{what} {name}"));
    let change = AppChange { skip_unchanged: Some(!args.off), ..AppChange::default() };
    client.patch::<App>(&app_path(&name), &change)?;
    action.done();
    Ok(())
}

fn follow(client: &Client, args: &Follow) -> Result<(), CliError> {
    let name = args.target.app()?;
    let action = Action::start(&format!("Deploying {name} with each push to {}", args.followed));
    set_followed(client, &name, args.followed.clone())?;
    action.done();
    Ok(())
}

fn unfollow(client: &Client, args: &Unfollow) -> Result<(), CliError> {
    let name = args.target.app()?;
    let action = Action::start(&format!("Deploying {name} with its own pushes only"));
    set_followed(client, &name, String::new())?;
    action.done();
    Ok(())
}

fn set_followed(client: &Client, app: &str, followed: String) -> Result<App, CliError> {
    client.patch(&app_path(app), &AppChange { follows: Some(followed), ..AppChange::default() })
}
