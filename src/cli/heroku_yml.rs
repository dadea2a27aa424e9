//! `apps:create --manifest`: what the section `setup` of a local heroku.yml asks for, as the Heroku CLI applies it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _};

use anyhow::Context as _;

use super::client::Client;
use super::error::CliError;
use super::output::Action;
use super::target::app_path;
use crate::api::types::{Addon, Identity, NameOrId, NewAddon};
use crate::model::{HerokuYml, Invalid, Setup};

/// Reads the manifest of the current folder.
pub(super) fn read() -> Result<Setup, CliError> {
    let action = Action::start(&format!("Reading {} manifest", HerokuYml::PATH));
    let missing = "There is no heroku.yml here: run this in the app's own folder, or create the app without --manifest.";
    let file = match File::open(HerokuYml::PATH) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(CliError::User(missing.to_owned())),
        file => file.context("can't read heroku.yml")?,
    };
    let mut text = Vec::new();
    file.take(HerokuYml::MAX_BYTES as u64 + 1).read_to_end(&mut text).context("can't read heroku.yml")?;
    let file = HerokuYml::parse(&text).map_err(|Invalid(why)| CliError::User(format!("heroku.yml is invalid: {why}")))?;
    action.done();
    Ok(file.setup)
}

/// Makes the add-ons and sets the config vars of an app that was just made.
pub(super) fn apply(client: &Client, app: &str, setup: &Setup) -> Result<(), CliError> {
    for addon in &setup.addons {
        let action = Action::start(&format!("Adding {}", addon.plan));
        let attachment = addon.alias.clone().map(|name| NameOrId { id: None, name: Some(name) });
        let new = NewAddon { attachment, confirm: None, name: None, plan: Identity::Text(addon.plan.clone()) };
        let made: Addon = client.post(&format!("{}/addons", app_path(app)), &new)?;
        action.done_with(&made.name);
    }
    if !setup.config.is_empty() {
        let action = Action::start("Setting config vars");
        let changes: BTreeMap<_, _> = setup.config.iter().map(|(key, value)| (key.as_str(), value.expose())).collect();
        client.patch::<BTreeMap<String, String>>(&format!("{}/config-vars", app_path(app)), &changes)?;
        action.done();
    }
    Ok(())
}
