//! `hoist login`, `logout`, `whoami`, `auth:token`

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::client::{Client, Server};
use super::error::CliError;
use super::netrc::{self, Entry};
use super::output::{Action, note, print, print_json, warn};
use crate::api::types::{Account, NewOauthAuthorization, OauthAuthorization, Seconds};
use crate::config;
use crate::model::Secret;

const THIRTY_DAYS: i64 = 30 * 24 * 60 * 60;

#[derive(Debug, Subcommand)]
pub(super) enum Auth {
    /// Log in with an API token, which is asked for, and get one of this computer's own
    #[command(name = "login", alias = "auth:login")]
    Login(Login),
    /// Clear the local login and revoke its token
    #[command(name = "logout", alias = "auth:logout")]
    Logout,
    /// Print the API token that is used
    #[command(name = "auth:token")]
    Token,
    /// Display the current logged in user
    #[command(name = "whoami", alias = "auth:whoami")]
    Whoami(Whoami),
}

#[derive(Debug, Args)]
pub(super) struct Login {
    /// Life of the new token in seconds, at most 30 days
    #[arg(short, long, default_value_t = THIRTY_DAYS, value_parser = clap::value_parser!(i64).range(1..=THIRTY_DAYS))]
    expires_in: i64,
}

#[derive(Debug, Args)]
pub(super) struct Whoami {
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

impl Auth {
    pub(super) fn run(self) -> Result<(), CliError> {
        match self {
            Self::Login(args) => login(&args),
            Self::Logout => logout(),
            Self::Token => print(&format!("{}\n", Client::open()?.token().expose())),
            Self::Whoami(args) => {
                let account: Account = Client::open()?.get("/account")?;
                if args.json { print_json(&account) } else { print(&format!("{}\n", account.email)) }
            }
        }
    }
}

fn login(args: &Login) -> Result<(), CliError> {
    let settings = config::Client::from_env();
    if settings.api_key.is_some() {
        return Err(CliError::Command("Cannot log in with HOIST_API_KEY set".into()));
    }
    let server = Server::of(&settings)?;
    let (path, machine) = (netrc::path(settings.home)?, server.authority.to_string());
    let client = Client::with_token(server, read_token()?);
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let new = NewOauthAuthorization {
        description: Some(format!("hoist login from {host}")),
        expires_in: Some(Seconds::Number(args.expires_in)),
        scope: Some(vec!["global".into()]),
        client: None,
    };
    let made: OauthAuthorization = client.post("/oauth/authorizations", &new)?;
    let token = made.access_token.context("hoist has made no token")?.token;
    netrc::write(&path, &machine, Some(&Entry { login: made.user.email.clone(), token: Secret::new(token) }))?;
    note(&format!("Logged in as {}", made.user.email));
    Ok(())
}

/// From the terminal without showing it, else from standard input.
fn read_token() -> Result<Secret, CliError> {
    let stdin = std::io::stdin();
    let text = if stdin.is_terminal() {
        rpassword::prompt_password("API token: ").context("can't read the token")?
    } else {
        let mut line = String::new();
        stdin.lock().read_line(&mut line).context("can't read the token")?;
        line
    };
    match text.trim() {
        "" => Err(CliError::User("No token was given. Whoever runs hoist makes one with hoist admin user:add EMAIL.".into())),
        token => Ok(Secret::new(token)),
    }
}

/// The token that whoever runs hoist has made is not revoked: other places may use it, and there would be no way back in.
fn logout() -> Result<(), CliError> {
    let settings = config::Client::from_env();
    if settings.api_key.is_some() {
        return Err(CliError::Command("HOIST_API_KEY is set: unset it, and you are logged out".into()));
    }
    let machine = Server::of(&settings)?.authority.to_string();
    let path = netrc::path(settings.home)?;
    let action = Action::start("Logging out");
    let revoked = Client::open().and_then(|client| revoke_own(&client));
    netrc::write(&path, &machine, None)?;
    action.done();
    match revoked {
        // Whose token is no longer good is logged out already.
        Ok(()) | Err(CliError::NotLoggedIn(_)) => {}
        Err(error) => warn(&format!("the token could not be revoked: {error}")),
    }
    Ok(())
}

fn revoke_own(client: &Client) -> Result<(), CliError> {
    let is_own = |one: &OauthAuthorization| {
        let shown = one.access_token.as_ref().and_then(|token| token.token.split_once("**********"));
        shown.is_some_and(|(first, last)| {
            let token = client.token().expose();
            !last.is_empty() && token.starts_with(first) && token.ends_with(last)
        })
    };
    let default = match client.get::<OauthAuthorization>("/oauth/authorizations/~") {
        Ok(default) => Some(default.id),
        Err(CliError::Api { id, .. }) if id == "not_found" => None,
        Err(error) => return Err(error),
    };
    let all: Vec<OauthAuthorization> = client.list("/oauth/authorizations")?;
    for one in all.iter().filter(|one| is_own(one) && Some(one.id) != default) {
        client.delete::<OauthAuthorization>(&format!("/oauth/authorizations/{}", one.id))?;
    }
    Ok(())
}
