//! `hoist container:…`: images that the user's own docker or podman builds, pushes and runs, and releases of them.
//!
//! Names, flags and words are the Heroku CLI's. `engine` is the program that does the work, `dockerfiles` what it is to
//! build; `push`, `run` and `release` are the commands that are more than a line.

mod dockerfiles;
mod engine;
mod push;
mod release;
mod run;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::Client;
use super::error::CliError;
use super::images::Registry;
use super::output::{self, Action, print};
use super::target::{Target, app_path, encode};
use crate::api::types::{App, FormationUpdate};
use crate::model::ProcessType;
use engine::{Engine, EngineArgs};

/// The stack of apps that are released from images.
const STACK: &str = "container";

#[derive(Debug, Subcommand)]
pub(super) enum Container {
    /// Log docker in to hoist's registry
    #[command(name = "container:login")]
    Login(EngineArgs),
    /// Log docker out of hoist's registry
    #[command(name = "container:logout")]
    Logout(EngineArgs),
    /// Build, then push Docker images to deploy an app
    #[command(name = "container:push", after_help = push::EXAMPLES)]
    Push(push::Push),
    /// Pull an image of an app's process type
    #[command(name = "container:pull")]
    Pull(Pull),
    /// Run an app's Docker image on this machine
    #[command(name = "container:run")]
    Run(run::Run),
    /// Release previously pushed Docker images
    #[command(name = "container:release")]
    Release(release::Release),
    /// Remove process types from an app
    #[command(name = "container:rm")]
    Rm(Rm),
}

#[derive(Debug, Args)]
pub(super) struct Pull {
    /// Such as web or web:v12
    #[arg(required = true, value_name = "TYPE[:TAG]")]
    images: Vec<String>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    engine: EngineArgs,
}

#[derive(Debug, Args)]
pub(super) struct Rm {
    /// Process types to remove
    #[arg(required = true, value_name = "TYPE")]
    process_types: Vec<ProcessType>,
    #[command(flatten)]
    target: Target,
}

impl Container {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::Login(args) => login(&client, &args),
            Self::Logout(args) => logout(&client, &args),
            Self::Push(args) => push::push(&client, &args),
            Self::Pull(args) => pull(&client, &args),
            Self::Run(args) => run::run(&client, &args),
            Self::Release(args) => release::release(&client, &args),
            Self::Rm(args) => rm(&client, &args),
        }
    }
}

fn login(client: &Client, args: &EngineArgs) -> Result<(), CliError> {
    let registry = Registry::of(client)?;
    let engine = Engine::find(args, &registry)?;
    engine.login(client.token())
}

fn logout(client: &Client, args: &EngineArgs) -> Result<(), CliError> {
    let registry = Registry::of(client)?;
    let engine = Engine::find(args, &registry)?;
    engine.must("logout", &[], &[registry.host()])
}

fn pull(client: &Client, args: &Pull) -> Result<(), CliError> {
    let app = container_app(client, &args.target, Purpose::Other)?;
    let registry = Registry::of(client)?;
    let engine = Engine::find(&args.engine, &registry)?;
    for image in &args.images {
        let name = registry.image(&app, image);
        print(&output::header(&format!("Pulling {image} as {name}")))?;
        engine.must("pull", &[], &[&name])?;
    }
    Ok(())
}

fn rm(client: &Client, args: &Rm) -> Result<(), CliError> {
    let app = container_app(client, &args.target, Purpose::Other)?;
    let gone = FormationUpdate { docker_image: Some(None), ..FormationUpdate::default() };
    for process_type in &args.process_types {
        let action = Action::start(&format!("Removing container {process_type} for {app}"));
        let path = format!("{}/formation/{}", app_path(&app), encode(process_type.as_str()));
        client.patch::<Value>(&path, &gone)?;
        action.done();
    }
    Ok(())
}

/// What a command is for, which decides what is said of an app that has no images.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Deploy,
    Other,
}

/// The name of the app, which must be one of images.
fn container_app(client: &Client, target: &Target, purpose: Purpose) -> Result<String, CliError> {
    let app: App = client.get(&target.path()?)?;
    if app.stack.name == STACK || app.build_stack.name == STACK {
        return Ok(app.name);
    }
    let advice = match purpose {
        Purpose::Deploy => format!(
            " Switch stacks by running hoist stack:set {STACK}. Or, to deploy {} with {}, run git push hoist main instead.",
            app.name, app.stack.name
        ),
        Purpose::Other => String::new(),
    };
    Err(CliError::User(format!("This command is for Docker apps only.{advice}")))
}
