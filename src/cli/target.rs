//! Which app a command is about.

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::checkout::Checkout;
use super::completion;
use super::error::CliError;

/// What a part of a path may hold as it is (RFC 3986, unreserved).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[derive(Debug, Args)]
pub(super) struct Target {
    /// App to run the command on
    #[arg(short, long, env = "HOIST_APP", add = ArgValueCompleter::new(completion::apps))]
    app: Option<String>,
    /// Git remote of the app to run the command on
    #[arg(short, long)]
    remote: Option<String>,
}

impl Target {
    /// The app's name: from the flag, the environment, or the checkout that the user stands in.
    pub(super) fn app(&self) -> Result<String, CliError> {
        if let (Some(app), None) = (&self.app, &self.remote) {
            return Ok(app.clone());
        }
        let remotes = match &self.remote {
            Some(remote) => vec![remote.as_str()],
            None => vec!["hoist", "heroku"],
        };
        let checkout = Checkout::here()?;
        let app = checkout.and_then(|checkout| remotes.iter().find_map(|remote| checkout.app_of(remote)));
        app.ok_or_else(|| {
            CliError::User(match &self.remote {
                Some(remote) => format!("There is no git remote {remote} here that names an app."),
                None => "Missing required flag: --app. Name the app, or run this in its git checkout.".into(),
            })
        })
    }

    /// The app's path in the API.
    pub(super) fn path(&self) -> Result<String, CliError> {
        Ok(app_path(&self.app()?))
    }
}

/// An app of which data is printed.
#[derive(Debug, Args)]
pub(super) struct Shown {
    #[command(flatten)]
    pub(super) target: Target,
    /// Output in JSON format
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn app_path(app: &str) -> String {
    format!("/apps/{}", encode(app))
}

/// Makes any text one part of a path.
pub(super) fn encode(part: &str) -> String {
    utf8_percent_encode(part, UNRESERVED).to_string()
}
