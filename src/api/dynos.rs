//! Dynos: the release commands and one-off commands that run.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::answer::{Accepted, Created, Headed};
use super::error::ApiError;
use super::extract::{Body, InApp, Named, Operate, See};
use super::types::{self, NamedRef, NewDyno, ReleaseRef, Timestamp};
use super::urls::Urls;
use crate::ctx::Ctx;
use crate::db;
use crate::db::logs::LogOf;
use crate::deploy::{self, Dyno, RunRequest};
use crate::model::{App, ConfigKey, ProcessType, Release, WindowSize};

/// The longest command: more than anybody types, and less than the kernel takes.
const COMMAND_BYTES: usize = 64 * 1024;
/// A dyno has no sizes to choose from here.
const SIZE: &str = "Basic";

/// `GET /apps/{app}/dynos`: those that run.
pub(super) async fn list(State(ctx): State<Ctx>, at: InApp<See>) -> Json<Vec<types::Dyno>> {
    let urls = Urls::new(&ctx);
    Json(ctx.dynos.of_app(at.app.id).iter().map(|dyno| describe(&urls, &at.app, dyno)).collect())
}

/// `POST /apps/{app}/dynos`: runs a command in the current release.
pub(super) async fn create(
    State(ctx): State<Ctx>,
    at: InApp<Operate>,
    Body(new): Body<NewDyno>,
) -> Result<Created<types::Dyno>, ApiError> {
    let is_attached = new.attach.unwrap_or(false);
    let env = parse_env(new.env.unwrap_or_default())?;
    let request = RunRequest {
        command: parse_command(new.command)?,
        terminal: if new.force_no_tty == Some(true) { None } else { window_size(&env) },
        env,
        process_type: parse_type(new.process_type.as_deref())?,
        time_to_live: new.time_to_live.map(Duration::from_secs),
        app: at.app.clone(),
        by: at.by,
    };
    let urls = Urls::new(&ctx);
    let dyno = if is_attached {
        let (dyno, secret) = deploy::run_attached(&ctx, request).await?;
        types::Dyno { attach_url: Some(urls.attach(&secret)), ..describe(&urls, &at.app, &dyno) }
    } else {
        describe(&urls, &at.app, &*deploy::run_detached(&ctx, request).await?)
    };
    Ok(Created(dyno))
}

/// `GET /apps/{app}/dynos/{dyno}`, by name or id; a one-off command also when it has ended.
pub(super) async fn info(State(ctx): State<Ctx>, at: InApp<See>, Named(dyno): Named) -> Result<Json<types::Dyno>, ApiError> {
    let urls = Urls::new(&ctx);
    let known = ctx.dynos.find(at.app.id, &dyno);
    if let Some(dyno) = known.as_ref().filter(|dyno| !dyno.has_ended()) {
        return Ok(Json(describe(&urls, &at.app, dyno)));
    }
    let mut db = ctx.db.read().await?;
    let dyno = db::dynos::find(&mut db, at.app.id, &dyno).await?.ok_or(ApiError::NotFound("dyno"))?;
    let is_kept = known.is_some_and(|dyno| !dyno.is_attached) || db::logs::get(&mut db, LogOf::Dyno(dyno.id)).await?.is_some();
    let release = db::releases::by_id(&mut db, at.app.id, dyno.release).await?.ok_or(ApiError::NotFound("release"))?;
    let output_stream_url = is_kept.then(|| urls.dyno_output(dyno.id));
    Ok(Json(types::Dyno { output_stream_url, ..describe_recorded(&at.app, dyno, &release) }))
}

/// A one-off command as the database has it. Without the address of its output, which is a secret of a kind.
pub(super) fn describe_recorded(app: &App, dyno: db::dynos::Dyno, release: &Release) -> types::Dyno {
    let state = match dyno.end.as_ref().map(|end| end.exit_status) {
        None => "up",
        Some(Some(0)) => "down",
        Some(_) => "crashed",
    };
    types::Dyno {
        app: NamedRef { id: app.id.to_string(), name: app.name.to_string() },
        attach_url: None,
        command: dyno.command,
        created_at: Timestamp(dyno.created_at),
        exit_status: dyno.end.and_then(|end| end.exit_status),
        id: dyno.id,
        name: dyno.name,
        output_stream_url: None,
        release: ReleaseRef { id: release.id, version: release.version.0 },
        size: SIZE.into(),
        state: state.into(),
        process_type: dyno.process_type.to_string(),
        updated_at: Timestamp(dyno.created_at),
    }
}

/// `POST /apps/{app}/dynos/{dyno}/actions/stop`, and `DELETE` of it, which restarts what is to run for ever: nothing here
/// is. A release command that is stopped has failed.
pub(super) async fn stop(State(ctx): State<Ctx>, at: InApp<Operate>, Named(dyno): Named) -> Result<Accepted<Value>, ApiError> {
    ctx.dynos.find(at.app.id, &dyno).ok_or(ApiError::NotFound("dyno"))?.stop();
    Ok(Accepted(json!({})))
}

/// What a restart can't do here, and who can.
const NOT_RUN_HERE: &str = "hoist runs release commands and one-off commands only, and has ended those one-off commands. \
                            Web and other processes are restarted and stopped where they run.";

/// `DELETE /apps/{app}/dynos`, which restarts all of an app's dynos: its one-off commands end.
pub(super) async fn stop_all(State(ctx): State<Ctx>, at: InApp<Operate>) -> Headed<Accepted<Value>> {
    stop_runs(&ctx, &at, |_| true)
}

/// `DELETE /apps/{app}/formations/{type}` and `POST` of its `actions/stop`: as [`stop_all`], for one process type.
pub(super) async fn stop_of_type(
    State(ctx): State<Ctx>,
    at: InApp<Operate>,
    Named(process_type): Named,
) -> Result<Headed<Accepted<Value>>, ApiError> {
    let process_type: ProcessType = process_type.parse()?;
    Ok(stop_runs(&ctx, &at, |dyno| dyno.process_type == process_type))
}

/// Stops one-off commands. A release command that were stopped would be a failed release, so it goes on.
fn stop_runs(ctx: &Ctx, at: &InApp<Operate>, is_meant: impl Fn(&Dyno) -> bool) -> Headed<Accepted<Value>> {
    ctx.dynos.of_app(at.app.id).iter().filter(|dyno| !dyno.is_phase() && is_meant(dyno)).for_each(|dyno| dyno.stop());
    Headed::warning(Accepted(json!({})), NOT_RUN_HERE)
}

pub(super) fn parse_command(command: String) -> Result<String, ApiError> {
    let wrong = |why: &str| Err(ApiError::InvalidParams(why.into()));
    match command.as_str() {
        text if text.trim().is_empty() => wrong("The command is empty."),
        text if text.len() > COMMAND_BYTES => wrong("The command is longer than 64 KiB."),
        text if text.contains('\0') => wrong("The command holds a NUL byte."),
        _ => Ok(command),
    }
}

fn parse_env(env: BTreeMap<String, Value>) -> Result<BTreeMap<String, String>, ApiError> {
    let pair = |(key, value): (String, Value)| {
        let key: ConfigKey = key.parse()?;
        let value = match value {
            Value::String(text) if text.contains('\0') => {
                return Err(ApiError::InvalidParams(format!("The value of {key} holds a NUL byte.")));
            }
            Value::String(text) => text,
            // The Heroku CLI sends the terminal's size so.
            Value::Number(number) => number.to_string(),
            _ => return Err(ApiError::InvalidParams(format!("The value of {key} must be a text."))),
        };
        Ok((String::from(key), value))
    };
    env.into_iter().map(pair).collect()
}

/// The size of the client's terminal, which Heroku's client tells if it has one, and no client without one does.
fn window_size(env: &BTreeMap<String, String>) -> Option<WindowSize> {
    let number = |name| env.get(name)?.parse().ok();
    Some(WindowSize::told(number("COLUMNS")?, number("LINES")?))
}

fn parse_type(name: Option<&str>) -> Result<ProcessType, ApiError> {
    match name.unwrap_or("run") {
        "release" => Err(ApiError::InvalidParams("The type release is that of release commands: choose another one.".into())),
        name => Ok(name.parse()?),
    }
}

fn describe(urls: &Urls, app: &App, dyno: &Dyno) -> types::Dyno {
    let output_stream_url = match dyno {
        dyno if dyno.is_phase() => Some(urls.release_output(dyno.release.id)),
        dyno => (!dyno.is_attached).then(|| urls.dyno_output(dyno.id)),
    };
    types::Dyno {
        app: NamedRef { id: app.id.to_string(), name: app.name.to_string() },
        attach_url: None,
        command: dyno.command().to_owned(),
        created_at: Timestamp(dyno.created_at),
        exit_status: None,
        id: dyno.id,
        name: dyno.name.clone(),
        output_stream_url,
        release: ReleaseRef { id: dyno.release.id, version: dyno.release.version.0 },
        size: SIZE.into(),
        state: if dyno.has_started() { "up" } else { "starting" }.into(),
        process_type: dyno.process_type.to_string(),
        updated_at: Timestamp(dyno.created_at),
    }
}
