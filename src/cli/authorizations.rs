//! `hoist authorizations`, `authorizations:create`, `:info`, `:update`, `:rotate`, `:revoke`

use clap::{Args, Subcommand};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Duration, OffsetDateTime};

use super::client::Client;
use super::error::CliError;
use super::output::{self, Action, print, print_json};
use super::target::encode;
use crate::api::types::{AuthorizationChange, NewOauthAuthorization, OauthAuthorization, Seconds};
use crate::model::Scopes;

#[derive(Debug, Subcommand)]
pub(super) enum Authorizations {
    /// List OAuth authorizations
    #[command(name = "authorizations")]
    List(List),
    /// Create a new OAuth authorization, which is an API token
    #[command(name = "authorizations:create")]
    Create(Create),
    /// Show an existing OAuth authorization
    #[command(name = "authorizations:info")]
    Info(Shown),
    /// Update an OAuth authorization
    #[command(name = "authorizations:update")]
    Update(Update),
    /// Replace the token of an OAuth authorization
    #[command(name = "authorizations:rotate")]
    Rotate(Shown),
    /// Revoke an OAuth authorization
    #[command(name = "authorizations:revoke", alias = "authorizations:destroy")]
    Revoke(Revoke),
}

/// How an authorization is shown.
#[derive(Debug, Args)]
struct Format {
    /// Output in JSON format
    #[arg(short, long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What it is for
    #[arg(short, long)]
    description: Option<String>,
    /// Expiration in seconds [default: no expiration]
    #[arg(short, long, value_name = "SECONDS")]
    expires_in: Option<i64>,
    /// What it may be used for, separated by commas: global, identity, read, write, read-protected, write-protected
    #[arg(short, long, value_name = "LIST")]
    scope: Option<Scopes>,
    #[command(flatten)]
    format: Format,
    /// Only output the token
    #[arg(short = 'S', long)]
    short: bool,
}

/// An authorization that is shown, with or without a new token.
#[derive(Debug, Args)]
pub(super) struct Shown {
    /// Id of the authorization
    id: String,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// Id of the authorization
    id: String,
    /// What it is for
    #[arg(short, long)]
    description: String,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// Id of the authorization
    id: String,
}

impl Authorizations {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(args) => list(&client, &args),
            Self::Create(args) => create(&client, args),
            Self::Info(args) => args.format.print(&client.get(&path(&args.id))?),
            Self::Update(args) => {
                let action = Action::start("Updating OAuth Authorization");
                let change = AuthorizationChange { description: Some(args.description), client: None };
                let one = client.patch(&path(&args.id), &change)?;
                action.done();
                args.format.print(&one)
            }
            Self::Rotate(args) => {
                let action = Action::start("Rotating OAuth Authorization");
                let one = client.post(&format!("{}/actions/regenerate-tokens", path(&args.id)), &())?;
                action.done();
                args.format.print(&one)
            }
            Self::Revoke(args) => {
                let action = Action::start("Revoking OAuth Authorization");
                let one: OauthAuthorization = client.delete(&path(&args.id))?;
                action.done_with(&format!("revoked authorization from {}", one.description));
                Ok(())
            }
        }
    }
}

impl Format {
    fn print(&self, one: &OauthAuthorization) -> Result<(), CliError> {
        if self.json { print_json(one) } else { print(&describe(one)) }
    }
}

fn path(id: &str) -> String {
    format!("/oauth/authorizations/{}", encode(id))
}

fn list(client: &Client, args: &List) -> Result<(), CliError> {
    let mut all: Vec<OauthAuthorization> = client.list("/oauth/authorizations")?;
    all.sort_by(|a, b| a.description.cmp(&b.description));
    if args.format.json {
        return print_json(&all);
    }
    let rows = all.into_iter().map(|one| [one.description, one.id.to_string(), one.scope.join(",")]);
    print(&output::table(["Description", "ID", "Scope"], &rows.collect::<Vec<_>>()))
}

fn create(client: &Client, args: Create) -> Result<(), CliError> {
    let action = Action::start("Creating OAuth Authorization");
    let new = NewOauthAuthorization {
        description: args.description,
        expires_in: args.expires_in.map(Seconds::Number),
        scope: args.scope.map(|scopes| scopes.iter().map(|scope| scope.as_str().into()).collect()),
        client: None,
    };
    let made: OauthAuthorization = client.post("/oauth/authorizations", &new)?;
    action.done();
    if args.short {
        return print(&format!("{}\n", made.access_token.map(|token| token.token).unwrap_or_default()));
    }
    args.format.print(&made)
}

fn describe(one: &OauthAuthorization) -> String {
    let now = OffsetDateTime::now_utc();
    let mut fields = vec![
        ("Client", "<none>".to_owned()),
        ("ID", one.id.to_string()),
        ("Description", one.description.clone()),
        ("Scope", one.scope.join(",")),
    ];
    if let Some(token) = &one.access_token {
        fields.push(("Token", token.token.clone()));
        if let Some(seconds) = token.expires_in {
            let life = Duration::seconds(seconds);
            fields.push(("Expires at", format!("{} (in {})", date(now + life), distance(life))));
        }
        let age = now - one.updated_at.0;
        fields.push(("Updated at", format!("{} ({} ago)", date(one.updated_at.0), distance(age))));
    }
    output::fields(fields)
}

/// As JavaScript writes it.
fn date(at: OffsetDateTime) -> String {
    const FORMAT: &[BorrowedFormatItem<'_>] = format_description!(
        "[weekday repr:short] [month repr:short] [day] [year] [hour]:[minute]:[second] GMT+0000 (Coordinated Universal Time)"
    );
    at.to_offset(time::UtcOffset::UTC).format(FORMAT).expect("every field is there")
}

/// As date-fns' `formatDistance` writes it.
fn distance(time: Duration) -> String {
    const DAY: i64 = 24 * 60;
    const MONTH: i64 = 30 * DAY;
    let of = |number: i64, unit: &str| format!("{number} {unit}{}", if number == 1 { "" } else { "s" });
    let minutes = (time.whole_seconds().max(0) + 30) / 60;
    match minutes {
        0 => "less than a minute".into(),
        1..45 => of(minutes, "minute"),
        45..90 => "about 1 hour".into(),
        90..DAY => format!("about {}", of((minutes + 30) / 60, "hour")),
        DAY..2520 => "1 day".into(),
        2520..MONTH => of((minutes + DAY / 2) / DAY, "day"),
        MONTH..86_400 => format!("about {}", of((minutes + MONTH / 2) / MONTH, "month")),
        86_400..525_600 => of((minutes + MONTH / 2) / MONTH, "month"),
        _ => format!("about {}", of(minutes / 525_600, "year")),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn times_as_herokus_cli_writes_them() {
        let at = datetime!(2026-11-22 05:37:01 UTC);
        assert_eq!(date(at), "Sun Nov 22 2026 05:37:01 GMT+0000 (Coordinated Universal Time)");
        let check = |seconds: i64, told: &str| assert_eq!(distance(Duration::seconds(seconds)), told);
        check(-5, "less than a minute");
        check(29, "less than a minute");
        check(30, "1 minute");
        check(44 * 60, "44 minutes");
        check(45 * 60, "about 1 hour");
        check(5 * 3600, "about 5 hours");
        check(25 * 3600, "1 day");
        check(30 * 24 * 3600 - 60, "30 days");
        check(30 * 24 * 3600, "about 1 month");
        check(90 * 24 * 3600, "3 months");
        check(800 * 24 * 3600, "about 2 years");
    }
}
