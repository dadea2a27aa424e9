//! `hoist setup`, `setup:info`

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::builds_create::upload;
use super::client::Client;
use super::config::parse_vars;
use super::error::CliError;
use super::output::{self, Action, print, print_json};
use super::source_tar;
use super::target::encode;
use crate::api::types::{AppSetup, NewAppSetup, NewBuildpack, NewSourceBlob, SetupApp, SetupOverrides};

/// Between two questions about a setup.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(super) enum Setup {
    /// Create and deploy an app as its app.json says
    #[command(name = "setup", alias = "setup:create")]
    Create(Create),
    /// Show how far a setup is
    #[command(name = "setup:info")]
    Info(Info),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Name of the new app; a random one if none is given
    #[arg(short, long)]
    app: Option<String>,
    /// Folder, or URL of a .tar.gz, with the app
    #[arg(long, default_value = ".", value_name = "DIR|URL")]
    source: String,
    /// Config vars in place of those in app.json
    #[arg(short, long, value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// Buildpacks in place of those in app.json
    #[arg(short, long)]
    buildpack: Vec<String>,
    /// Stack in place of that in app.json
    #[arg(short, long)]
    stack: Option<String>,
    /// Output in JSON format, when the setup has ended
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Info {
    /// Id of the setup
    setup: String,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

impl Setup {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::Create(args) => create(&client, &args),
            Self::Info(args) => {
                let setup = get(&client, &args.setup)?;
                if args.json { print_json(&setup) } else { describe(&setup) }
            }
        }
    }
}

fn create(client: &Client, args: &Create) -> Result<(), CliError> {
    let env = parse_vars(&args.env)?.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    let is_url = args.source.starts_with("https://") || args.source.starts_with("http://");
    let url = if is_url { args.source.clone() } else { upload_folder(client, Path::new(&args.source))? };
    let buildpack = |name: &String| NewBuildpack { url: Some(name.clone()), name: None };
    let new = NewAppSetup {
        source_blob: Some(NewSourceBlob { url: Some(url), ..NewSourceBlob::default() }),
        app: SetupApp { name: args.app.clone(), stack: args.stack.clone() },
        overrides: SetupOverrides { buildpacks: args.buildpack.iter().map(buildpack).collect(), env },
    };
    let action = Action::start("Creating app");
    let setup: AppSetup = client.post("/app-setups", &new)?;
    action.done_with(&setup.app.name);
    let setup = follow(client, setup)?;
    if args.json {
        print_json(&setup)?;
    } else {
        describe(&setup)?;
    }
    match &setup.failure_message {
        Some(message) => Err(CliError::User(format!("The setup of {} failed: {message}", setup.app.name))),
        None => Ok(()),
    }
}

fn upload_folder(client: &Client, dir: &Path) -> Result<String, CliError> {
    let action = Action::start("Packing source");
    let packed = source_tar::pack(dir, false)?;
    action.done();
    upload(client, packed)
}

/// Asks for the setup until it has ended, and shows its build on the way, as something that is being done.
fn follow(client: &Client, mut setup: AppSetup) -> Result<AppSetup, CliError> {
    let mut is_shown = false;
    loop {
        if let Some(build) = setup.build.as_ref().filter(|_| !is_shown) {
            std::io::copy(&mut client.stream(&build.output_stream_url)?, &mut anstream::stderr())?;
            is_shown = true;
        } else if setup.status == "pending" {
            sleep(PAUSE);
        } else {
            return Ok(setup);
        }
        setup = get(client, &setup.id.to_string())?;
    }
}

fn get(client: &Client, setup: &str) -> Result<AppSetup, CliError> {
    client.get(&format!("/app-setups/{}", encode(setup)))
}

fn describe(setup: &AppSetup) -> Result<(), CliError> {
    let postdeploy = setup.postdeploy.as_ref().map(|script| script.exit_code);
    let postdeploy = postdeploy.map(|code| code.map_or_else(|| "ended by hoist".into(), |code| format!("exit code {code}")));
    let fields = [
        ("App", setup.app.name.clone()),
        ("Status", setup.status.clone()),
        ("Failure", setup.failure_message.clone().unwrap_or_default()),
        ("Build", setup.build.as_ref().map(|build| build.status.clone()).unwrap_or_default()),
        ("Postdeploy", postdeploy.unwrap_or_default()),
        ("Success URL", setup.resolved_success_url.clone().unwrap_or_default()),
    ];
    let fields = output::fields(fields.into_iter().filter(|(_, value)| !value.is_empty()));
    let mut parts = vec![output::header(&format!("Setup {}", setup.id)) + &fields];
    parts.extend(setup.manifest_errors.iter().map(|error| format!("app.json: {error}\n")));
    parts.extend(setup.postdeploy.iter().map(|script| script.output.clone()).filter(|output| !output.is_empty()));
    print(&parts.join("\n"))
}
