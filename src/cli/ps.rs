//! `hoist ps`, `ps:scale`, `ps:restart`, `ps:stop`

use clap::{Args, Subcommand};
use serde_json::Value;
use time::OffsetDateTime;

use super::client::Client;
use super::error::CliError;
use super::nearest::nearest;
use super::output::{self, Action, print, print_json};
use super::target::{Shown, Target, app_path, encode};
use crate::api::types::{Dyno, Formation, FormationUpdate, FormationUpdates};

#[derive(Debug, Subcommand)]
pub(super) enum Ps {
    /// List the release commands and one-off commands that run
    #[command(name = "ps")]
    List(Shown),
    /// Show how many of each process are to run, or change that; whatever runs the app asks for it
    #[command(name = "ps:scale", alias = "scale")]
    Scale(Scale),
    /// End one-off commands, which is all that can be restarted here: web and other processes run elsewhere
    #[command(name = "ps:restart", alias = "restart")]
    Restart(Restart),
    /// Stop a running command
    #[command(name = "ps:stop", alias = "ps:kill")]
    Stop(Stop),
}

#[derive(Debug, Args)]
pub(super) struct Stop {
    /// Name of the dyno, such as run.1234
    #[arg(short, long = "dyno-name", value_name = "DYNO")]
    dyno_name: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Scale {
    /// Such as web=2, worker+1 or web=2:Standard-2X
    #[arg(value_parser = parse_scale, value_name = "TYPE=QUANTITY[:SIZE]")]
    updates: Vec<FormationUpdate>,
    #[command(flatten)]
    target: Target,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Restart {
    /// Name of the dyno, such as run.1234
    #[arg(short, long, value_name = "DYNO", conflicts_with = "process_type")]
    dyno_name: Option<String>,
    /// Process type, such as run
    #[arg(short, long, value_name = "TYPE")]
    process_type: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Ps {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(args) => list(&client, &args),
            Self::Scale(args) => scale(&client, &args),
            Self::Restart(args) => restart(&client, &args),
            Self::Stop(args) => stop(&client, &args),
        }
    }
}

fn list(client: &Client, args: &Shown) -> Result<(), CliError> {
    let app = args.target.app()?;
    let dynos: Vec<Dyno> = client.list(&format!("{}/dynos", app_path(&app)))?;
    if args.json {
        return print_json(&dynos);
    }
    if dynos.is_empty() {
        return print(&format!("No dynos on {app}\n"));
    }
    let now = OffsetDateTime::now_utc();
    let line = |dyno: &Dyno| {
        let since = output::ago(dyno.created_at.0, now);
        format!("{} ({}): {} {since}: {}\n", dyno.name, dyno.size, dyno.state, dyno.command)
    };
    let lines: String = dynos.iter().map(line).collect();
    print(&(output::header(&format!("run: one-off processes ({})", dynos.len())) + &lines))
}

fn stop(client: &Client, args: &Stop) -> Result<(), CliError> {
    let app = args.target.app()?;
    let action = Action::start(&format!("Stopping dyno {} on {app}", args.dyno_name));
    client.post::<Value>(&format!("{}/dynos/{}/actions/stop", app_path(&app), encode(&args.dyno_name)), &())?;
    action.done();
    Ok(())
}

fn scale(client: &Client, args: &Scale) -> Result<(), CliError> {
    let app = args.target.app()?;
    let path = format!("{}/formation", app_path(&app));
    if args.updates.is_empty() {
        let formation: Vec<Formation> = client.list(&path)?;
        if args.json {
            return print_json(&formation);
        }
        if formation.is_empty() {
            return Err(CliError::User(format!("No process types on {app}. Upload a Procfile to add process types.")));
        }
        let scales: Vec<_> = formation.iter().map(|one| format!("{}={}:{}", one.kind, one.quantity, one.size)).collect();
        return print(&format!("{}\n", scales.join(" ")));
    }
    let action = Action::start("Scaling dynos");
    let formation: Result<Vec<Formation>, _> = client.patch(&path, &FormationUpdates { updates: args.updates.clone() });
    let formation = formation.map_err(|error| with_advice(client, &path, &args.updates, error))?;
    let scales: Vec<_> = formation.iter().map(|one| format!("{} at {}:{}", one.kind, one.quantity, one.size)).collect();
    action.done_with(&format!("now running {}", scales.join(", ")));
    if args.json { print_json(&formation) } else { Ok(()) }
}

/// Adds to the answer that there is no such process type which one was named, and which one may have been meant.
fn with_advice(client: &Client, formation: &str, updates: &[FormationUpdate], error: CliError) -> CliError {
    let CliError::Api { id, message, resource } = error else { return error };
    if resource.as_deref() != Some("process_type") {
        return CliError::Api { id, message, resource };
    }
    // Without a list there is no advice; the error is what counts.
    let known: Vec<Formation> = client.list(formation).unwrap_or_default();
    let kinds: Vec<_> = known.into_iter().map(|one| one.kind).collect();
    let missing = updates.iter().filter_map(|update| update.kind.as_ref()).find(|kind| !kinds.contains(kind));
    let meant = missing.and_then(|missing| nearest(missing, kinds.clone()));
    let advice = match (missing, meant) {
        (Some(missing), Some(meant)) => format!(" There is no {missing}. Did you mean {meant}?"),
        _ => " Process types are those of the Procfile.".to_owned(),
    };
    CliError::Api { id, message: message + &advice, resource }
}

/// `web=2`, `web=2:Standard-2X`, `worker+1`, `worker-1`
fn parse_scale(text: &str) -> Result<FormationUpdate, String> {
    let wrong = || format!("{text} is invalid. Must be in the format web=2, web+1 or web=2:SIZE.");
    let at = text.find(['=', '+', ':']).or_else(|| text.rfind('-')).ok_or_else(wrong)?;
    let (kind, rest) = text.split_at(at);
    let (quantity, size) = rest.split_once(':').map_or((rest, None), |(quantity, size)| (quantity, Some(size)));
    let quantity = quantity.trim_start_matches('=');
    if kind.is_empty() || (quantity.is_empty() && size.is_none()) {
        return Err(wrong());
    }
    Ok(FormationUpdate {
        kind: Some(kind.to_owned()),
        quantity: (!quantity.is_empty()).then(|| quantity.into()),
        size: size.map(str::to_owned),
        ..FormationUpdate::default()
    })
}

fn restart(client: &Client, args: &Restart) -> Result<(), CliError> {
    let app = args.target.app()?;
    let (what, path) = match (&args.dyno_name, &args.process_type) {
        (Some(dyno), _) => (format!("dyno {dyno}"), format!("dynos/{}", encode(dyno))),
        (None, Some(kind)) => (format!("all {kind} dynos"), format!("formations/{}", encode(kind))),
        (None, None) => ("all dynos".to_owned(), "dynos".to_owned()),
    };
    let action = Action::start(&format!("Restarting {what} on {app}"));
    client.delete::<Value>(&format!("{}/{path}", app_path(&app)))?;
    action.done();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_written_as_for_heroku() {
        let parse = |text| {
            let FormationUpdate { kind, quantity, size, .. } = parse_scale(text).ok()?;
            Some((kind?, quantity.map(|quantity| quantity.as_str().unwrap().to_owned()), size))
        };
        let update = |kind: &str, quantity: Option<&str>, size: Option<&str>| {
            Some((kind.to_owned(), quantity.map(str::to_owned), size.map(str::to_owned)))
        };
        assert_eq!(parse("web=2"), update("web", Some("2"), None));
        assert_eq!(parse("my-web=2:Basic"), update("my-web", Some("2"), Some("Basic")));
        assert_eq!(parse("worker+1"), update("worker", Some("+1"), None));
        assert_eq!(parse("my-worker-1"), update("my-worker", Some("-1"), None));
        assert_eq!(parse("web:Basic"), update("web", None, Some("Basic")));
        for bad in ["web", "=2", "web=", ""] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
