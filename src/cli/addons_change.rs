//! `hoist addons:create`, `addons:attach`, `addons:detach`, `addons:destroy`, `addons:rename`, `addons:rotate`

use clap::Args;

use super::addons::{plan_name, price, resolve};
use super::apps::confirm;
use super::client::Client;
use super::error::CliError;
use super::output::{Action, print, print_json};
use super::target::{Target, app_path, encode};
use crate::api::types::{
    Addon, AddonAttachment, AddonChange, AddonEnd, Identity, NameOrId, NewAddon, NewAddonAttachment, Release,
};

#[derive(Debug, Args)]
pub(super) struct Create {
    /// SERVICE or SERVICE:PLAN, as `hoist-postgresql`
    plan: String,
    /// Name of the attachment, and so of the config var
    #[arg(long = "as", value_name = "NAME")]
    attachment: Option<String>,
    /// Name of the add-on; a random one if none is given
    #[arg(long)]
    name: Option<String>,
    /// The app's name, to overwrite a config var without being asked
    #[arg(long, value_name = "APP")]
    confirm: Option<String>,
    /// Wait until it can be used, which this command always does
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    target: Target,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Attach {
    /// Name or id of the add-on
    addon: String,
    /// Name of the attachment
    #[arg(long = "as", value_name = "NAME")]
    attachment: Option<String>,
    /// The app's name, to replace an attachment without being asked
    #[arg(long, value_name = "APP")]
    confirm: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Detach {
    /// Name of the attachment
    attachment: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Destroy {
    /// Names or ids of add-ons
    #[arg(required = true)]
    addons: Vec<String>,
    /// The app's name again, to destroy them without being asked
    #[arg(short, long, value_name = "APP")]
    confirm: Option<String>,
    /// Also if other apps use them
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Rename {
    /// Name or id of the add-on
    addon: String,
    /// New name of the add-on
    new_name: String,
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// Name or id of the add-on, or of its attachment to the app
    addon: String,
    #[command(flatten)]
    target: Target,
}

pub(super) fn create(client: &Client, args: &Create) -> Result<(), CliError> {
    let app = args.target.app()?;
    let addon: Addon = unless_confirmation_is_required(&app, args.confirm.as_deref(), |confirm| {
        let action = Action::start(&format!("Creating {} on {app}", args.plan));
        let new = NewAddon {
            attachment: args.attachment.clone().map(|name| NameOrId { id: None, name: Some(name) }),
            confirm,
            name: args.name.clone(),
            plan: Identity::Text(args.plan.clone()),
        };
        let addon: Addon = client.post(&format!("{}/addons", app_path(&app)), &new)?;
        action.done_with(&price(addon.billed_price.cents));
        Ok(addon)
    })?;
    if args.json {
        return print_json(&addon);
    }
    print(&format!("Created {} as {}\n", addon.name, addon.config_vars.join(", ")))
}

pub(super) fn attach(client: &Client, args: &Attach) -> Result<(), CliError> {
    let app = args.target.app()?;
    let addon: Addon = client.get(&format!("/addons/{}", encode(&args.addon)))?;
    let named = args.attachment.as_ref().map(|name| format!(" as {name}")).unwrap_or_default();
    let attachment: AddonAttachment = unless_confirmation_is_required(&app, args.confirm.as_deref(), |confirm| {
        let action = Action::start(&format!("Attaching {}{named} to {app}", addon.name));
        let text = |text: &str| Identity::Text(text.to_owned());
        let (name, namespace) = (args.attachment.clone(), None);
        let new = NewAddonAttachment { addon: text(&addon.name), app: text(&app), confirm, name, namespace };
        let attachment = client.post("/addon-attachments", &new)?;
        action.done();
        Ok(attachment)
    })?;
    show_release(client, &app, &format!("Setting {} config vars and restarting {app}", attachment.name))
}

pub(super) fn detach(client: &Client, args: &Detach) -> Result<(), CliError> {
    let app = args.target.app()?;
    let attachment: AddonAttachment =
        client.get(&format!("{}/addon-attachments/{}", app_path(&app), encode(&args.attachment)))?;
    let action = Action::start(&format!("Detaching {} to {} from {app}", attachment.name, attachment.addon.name));
    client.delete::<AddonAttachment>(&format!("/addon-attachments/{}", attachment.id))?;
    action.done();
    show_release(client, &app, &format!("Unsetting {} config vars and restarting {app}", attachment.name))
}

pub(super) fn destroy(client: &Client, args: &Destroy) -> Result<(), CliError> {
    let app = args.target.app().ok();
    let mut addons = Vec::new();
    for name in &args.addons {
        let addon = resolve(client, name, app.as_deref())?;
        if let Some(app) = &app
            && addon.app.name != *app
        {
            return Err(CliError::User(format!("{} is on {} not {app}", addon.name, addon.app.name)));
        }
        addons.push(addon);
    }
    // Each app is confirmed before anything is destroyed.
    for addon in &addons {
        let what = format!("This destroys {} of {} with all its data.", addon.name, addon.app.name);
        confirm(&addon.app.name, args.confirm.as_deref(), &what)?;
    }
    for addon in &addons {
        let action = Action::start(&format!("Destroying {} on {}", addon.name, addon.app.name));
        let path = format!("/apps/{}/addons/{}", addon.app.id, addon.id);
        client.delete_with::<Addon>(&path, &AddonEnd { force: args.force })?;
        action.done();
    }
    Ok(())
}

pub(super) fn rename(client: &Client, args: &Rename) -> Result<(), CliError> {
    let addon: Addon = client.get(&format!("/addons/{}", encode(&args.addon)))?;
    let change = AddonChange { name: Some(args.new_name.clone()), plan: None };
    client.patch::<Addon>(&format!("/apps/{}/addons/{}", addon.app.id, addon.id), &change)?;
    print(&format!("{} successfully renamed to {}.\n", args.addon, args.new_name))
}

pub(super) fn rotate(client: &Client, args: &Rotate) -> Result<(), CliError> {
    let addon = resolve(client, &args.addon, args.target.app().ok().as_deref())?;
    let action = Action::start(&format!("Rotating the password of {} ({})", addon.name, plan_name(&addon)));
    let path = format!("/apps/{}/addons/{}/actions/rotate-credentials", addon.app.id, addon.id);
    client.post::<Addon>(&path, &())?;
    action.done();
    let attachments: Vec<AddonAttachment> = client.list(&format!("/addons/{}/addon-attachments", addon.id))?;
    let mut apps: Vec<_> = attachments.into_iter().map(|attachment| attachment.app.name).collect();
    apps.sort();
    apps.dedup();
    for app in apps {
        show_release(client, &app, &format!("Updating config vars and restarting {app}"))?;
    }
    Ok(())
}

/// Tells the app's newest release, which is what the last change has made.
fn show_release(client: &Client, app: &str, what: &str) -> Result<(), CliError> {
    let action = Action::start(what);
    let newest = client.part(&format!("{}/releases", app_path(app)), "version ..; max=1, order=desc")?;
    let newest: Option<Release> = newest.into_iter().next();
    action.done_with(&newest.map(|release| format!("v{}", release.version)).unwrap_or_default());
    Ok(())
}

/// Does something; where the API wants it confirmed, asks the user and does it again.
fn unless_confirmation_is_required<T>(
    app: &str,
    confirmed: Option<&str>,
    act: impl Fn(Option<String>) -> Result<T, CliError>,
) -> Result<T, CliError> {
    match act(confirmed.map(str::to_owned)) {
        Err(CliError::Api { id, message, .. }) if id == "confirmation_required" => {
            confirm(app, confirmed, &message)?;
            act(Some(app.to_owned()))
        }
        done => done,
    }
}
