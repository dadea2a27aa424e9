//! What a buildpack's `bin/release` wants an app to have that has no code yet: add-ons and config vars (conventions 3.6).
//!
//! Nothing of it fails the push. What can't be had is said, with what to do about it.

use std::collections::BTreeMap;

use super::addons::{AddonFailure, NewAddon, create_addon};
use super::{Failure, Request};
use crate::build::ForNewApp;
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::model::{App, ConfigKey, ConfigVars, Plan, Secret};
use crate::release::{Taken, current_config};
use crate::transcript::Transcript;

type Changes = BTreeMap<ConfigKey, Option<Secret>>;

/// Makes the add-ons of a new app; returns the changes to the config that are to be released with its code: the push's own, and
/// config vars that nobody has set.
pub(super) async fn provide(
    ctx: &Ctx,
    request: &Request,
    transcript: &Transcript,
    wanted: &ForNewApp,
) -> Result<Changes, Failure> {
    let own = &request.options.config;
    if *wanted == ForNewApp::default() || !is_new(ctx, &request.app).await? {
        return Ok(own.clone());
    }
    for addon in &wanted.addons {
        make(ctx, request, transcript, addon).await?;
    }
    // With what the add-ons have set.
    let config = current_config(&ctx.db, request.app.id).await?;
    Ok(with_defaults(own, &config, &wanted.config_vars))
}

async fn is_new(ctx: &Ctx, app: &App) -> Result<bool, DbError> {
    let base = db::releases::base(&mut *ctx.db.read().await?, app.id).await?;
    Ok(base.is_none_or(|release| release.artifact().is_none()))
}

/// Makes one add-on, unless the app has one of its kind: from its setup, or from an earlier push that was not released.
async fn make(ctx: &Ctx, request: &Request, transcript: &Transcript, wanted: &str) -> Result<(), Failure> {
    let shown = wanted.escape_debug();
    let plan: Plan = match wanted.parse() {
        Ok(plan) => plan,
        Err(why) => {
            transcript.warning(&format!("The buildpack asks for the add-on {shown}, which is not there: {why}"));
            return Ok(());
        }
    };
    let attached = db::addon_attachments::snapshot(&mut *ctx.db.read().await?, request.app.id).await?;
    if attached.iter().any(|one| one.plan.parse::<Plan>() == Ok(plan)) {
        return Ok(());
    }
    transcript.section(&format!("Adding {}, which the buildpack asks for", plan.as_str()));
    let new = NewAddon { app: request.app.clone(), by: request.by.id, plan, name: None, attachment: None, taken: Taken::Refuse };
    match create_addon(ctx, new).await {
        Ok(addon) => transcript.detail(&format!("{} is there", addon.name)),
        Err(AddonFailure::Refused(error)) => say_without(transcript, plan, &error.to_string()),
        Err(AddonFailure::Provider(error)) => say_without(transcript, plan, &error.to_string()),
        Err(AddonFailure::Db(error)) => return Err(error.into()),
        Err(AddonFailure::Stopped) => return Err(Failure::Stopped),
        Err(AddonFailure::Lost(error)) => return Err(Failure::Lost(error.to_string())),
    }
    Ok(())
}

fn say_without(transcript: &Transcript, plan: Plan, why: &str) {
    transcript.warning(&format!("It can't be added: {}.", why.trim_end_matches('.')));
    transcript.warning(&format!("The app is released without it. Later: hoist addons:create {}", plan.as_str()));
}

/// The push's own changes and, where neither they nor the config say anything, the buildpack's. Names and values that no config var
/// can have are passed over.
fn with_defaults(own: &Changes, config: &ConfigVars, defaults: &BTreeMap<String, String>) -> Changes {
    let mut changes = own.clone();
    for (name, value) in defaults {
        let Ok(key) = name.parse::<ConfigKey>() else { continue };
        if config.get(name).is_none() && !value.contains('\0') {
            changes.entry(key).or_insert_with(|| Some(Secret::new(value)));
        }
    }
    if config.changed(&changes).is_ok() { changes } else { own.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buildpacks_config_vars_come_last() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let key = |name: &str| name.parse::<ConfigKey>().unwrap();
        let own = Changes::from([(key("PUSHED"), Some(Secret::new("mine"))), (key("UNSET"), None)]);
        let config = ConfigVars([(key("SET"), Secret::new("mine"))].into());
        let defaults = map(&[("PUSHED", "d"), ("SET", "d"), ("UNSET", "d"), ("NEW", "d"), ("bad name", "d"), ("NUL", "\0")]);
        let told: Vec<_> = with_defaults(&own, &config, &defaults)
            .into_iter()
            .map(|(key, value)| format!("{key}={}", value.map_or("nothing".into(), |value| value.expose().to_owned())))
            .collect();
        assert_eq!(told, ["NEW=d", "PUSHED=mine", "UNSET=nothing"]);
        let huge = map(&[("HUGE", "x".repeat(ConfigVars::MAX_BYTES).as_str())]);
        assert_eq!(with_defaults(&own, &config, &huge).len(), own.len(), "more than fits is not set");
    }
}
