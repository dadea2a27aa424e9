//! `hoist container:run`

use clap::Args;

use super::engine::{Engine, EngineArgs};
use super::{Purpose, container_app};
use crate::cli::client::Client;
use crate::cli::error::CliError;
use crate::cli::images::Registry;
use crate::cli::output::{self, print};
use crate::cli::target::Target;
use crate::cli::terminal;
use crate::model::ProcessType;

#[derive(Debug, Args)]
pub(in crate::cli) struct Run {
    /// Process type whose image is run: the one that is here, else the one that was pushed
    #[arg(value_name = "TYPE")]
    process_type: ProcessType,
    /// The command and its arguments; the image's own if none is given
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<String>,
    #[command(flatten)]
    target: Target,
    /// Port the app will run on
    #[arg(short, long, default_value_t = 5000)]
    port: u16,
    #[command(flatten)]
    engine: EngineArgs,
}

/// Runs it as the user who calls, as Heroku's CLI does: images must not count on being root.
pub(super) fn run(client: &Client, args: &Run) -> Result<(), CliError> {
    let app = container_app(client, &args.target, Purpose::Other)?;
    let registry = Registry::of(client)?;
    let engine = Engine::find(&args.engine, &registry)?;
    let image = registry.image(&app, args.process_type.as_str());
    let title = match args.command.join(" ") {
        command if command.is_empty() => format!("Running {image}"),
        command => format!("Running '{command}' on {image}"),
    };
    print(&output::header(&title))?;
    let user = rustix::process::getuid().as_raw().to_string();
    let port = format!("PORT={}", args.port);
    let publish = format!("{0}:{0}", args.port);
    // Without a terminal docker refuses to make one.
    let interactive = if terminal::size().is_some() { "-it" } else { "-i" };
    let options = ["--rm", "--user", &user, "-e", &port, "--publish", &publish, interactive];
    let operands: Vec<_> = [&*image].into_iter().chain(args.command.iter().map(String::as_str)).collect();
    let status = engine.call("run", &options, &operands, None)?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(CliError::Exited(u8::try_from(code).unwrap_or(1))),
        None => Err(CliError::User(format!("docker run ended by itself: {status}"))),
    }
}
