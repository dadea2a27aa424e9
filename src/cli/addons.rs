//! `hoist addons`, `addons:info`, `addons:services`, `addons:plans`; what changes add-ons has its own file.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::addons_change::{self, Attach, Create, Destroy, Detach, Rename, Rotate};
use super::client::Client;
use super::error::CliError;
use super::output::{self, note, print, print_json};
use super::target::{Target, app_path, encode};
use crate::api::types::{Addon, AddonAttachment, AddonResolution, AddonService, App, Expandable, Plan};

#[derive(Debug, Subcommand)]
pub(super) enum Addons {
    /// List add-ons and attachments
    #[command(name = "addons")]
    List(List),
    /// Show an add-on and where it is attached
    #[command(name = "addons:info")]
    Info(Info),
    /// List the add-on services of this installation
    #[command(name = "addons:services")]
    Services(Services),
    /// List the plans of an add-on service
    #[command(name = "addons:plans")]
    Plans(Plans),
    /// Create an add-on for an app
    #[command(name = "addons:create", alias = "addons:add")]
    Create(Create),
    /// Attach an existing add-on to an app
    #[command(name = "addons:attach")]
    Attach(Attach),
    /// Detach an add-on from an app
    #[command(name = "addons:detach")]
    Detach(Detach),
    /// Permanently destroy add-ons, with their data
    #[command(name = "addons:destroy", alias = "addons:remove")]
    Destroy(Destroy),
    /// Rename an add-on
    #[command(name = "addons:rename")]
    Rename(Rename),
    /// Give an add-on a new password, and release that
    #[command(name = "addons:rotate")]
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Show those of all your apps
    #[arg(short = 'A', long)]
    all: bool,
    #[command(flatten)]
    target: Target,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Info {
    /// Name or id of the add-on, or of its attachment to the app
    addon: String,
    #[command(flatten)]
    target: Target,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Services {
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Plans {
    /// Name of the service
    service: String,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

/// An add-on with what the Heroku CLI shows beside it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    addon: Addon,
    attachments: Vec<AddonAttachment>,
}

impl Addons {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(args) => list(&client, &args),
            Self::Info(args) => info(&client, &args),
            Self::Services(args) => services(&client, &args),
            Self::Plans(args) => plans(&client, &args),
            Self::Create(args) => addons_change::create(&client, &args),
            Self::Attach(args) => addons_change::attach(&client, &args),
            Self::Detach(args) => addons_change::detach(&client, &args),
            Self::Destroy(args) => addons_change::destroy(&client, &args),
            Self::Rename(args) => addons_change::rename(&client, &args),
            Self::Rotate(args) => addons_change::rotate(&client, &args),
        }
    }
}

/// The add-on that the user means: as the app calls it, if there is an app, else by its own name.
pub(super) fn resolve(client: &Client, addon: &str, app: Option<&str>) -> Result<Addon, CliError> {
    let ask = |app: Option<&str>| {
        let asked = AddonResolution { addon: addon.to_owned(), app: app.map(str::to_owned), addon_service: None };
        client.post::<Vec<Addon>>("/actions/addons/resolve", &asked)
    };
    let found = match ask(app) {
        Err(CliError::Api { id, .. }) if id == "not_found" && app.is_some() => ask(None)?,
        found => found?,
    };
    let names = found.iter().map(|addon| addon.name.clone()).collect::<Vec<_>>().join(", ");
    match <[Addon; 1]>::try_from(found) {
        Ok([addon]) => Ok(addon),
        Err(_) => Err(CliError::User(format!("Ambiguous identifier; multiple matching add-ons found: {names}."))),
    }
}

pub(super) fn plan_name(addon: &Addon) -> &str {
    match &addon.plan {
        Expandable::Whole(plan) => &plan.name,
        Expandable::Ref(plan) => &plan.name,
    }
}

fn service_name(addon: &Addon) -> &str {
    match &addon.addon_service {
        Expandable::Whole(service) => &service.name,
        Expandable::Ref(service) => &service.name,
    }
}

fn list(client: &Client, args: &List) -> Result<(), CliError> {
    match args.target.app() {
        Ok(app) if !args.all => list_of_app(client, &app, args.json),
        _ => list_all(client, args.json),
    }
}

fn list_all(client: &Client, as_json: bool) -> Result<(), CliError> {
    let addons: Vec<Addon> = client.list("/addons")?;
    if as_json {
        return print_json(&addons);
    }
    if addons.is_empty() {
        return print("No add-ons.\n");
    }
    let mut rows: Vec<_> = addons.iter().map(row_of_all).collect();
    rows.sort();
    print(&output::table(["Owning App", "Add-on", "Plan", "Price", "Max Price", "State"], &rows))
}

fn row_of_all(addon: &Addon) -> [String; 6] {
    let price = || price(addon.billed_price.cents);
    [addon.app.name.clone(), addon.name.clone(), plan_name(addon).to_owned(), price(), price(), state(addon)]
}

/// The app's own add-ons with all their attachments, and others' that are attached to it.
fn list_of_app(client: &Client, app: &str, as_json: bool) -> Result<(), CliError> {
    // A name that was mistyped is told here.
    let app: App = client.get(&app_path(app))?;
    let addons: Vec<Addon> = client.list(&format!("{}/addons", app_path(&app.name)))?;
    let attachments: Vec<AddonAttachment> = client.list("/addon-attachments")?;
    let with_attachments = |addon: Addon| {
        let mut attachments: Vec<_> = attachments.iter().filter(|it| it.addon.id == addon.id).cloned().collect();
        attachments.sort_by_key(|it| (it.app.name != app.name, it.app.name.clone(), it.name.clone()));
        Shown { addon, attachments }
    };
    let shown: Vec<_> = addons.into_iter().map(with_attachments).collect();
    if as_json {
        return print_json(&shown);
    }
    if shown.is_empty() {
        return print(&format!("No add-ons for app {}.\n", app.name));
    }
    let rows: Vec<_> = shown.iter().flat_map(|shown| rows_of_app(shown, &app.name)).collect();
    print(&output::table(["Add-on", "Plan", "Price", "Max Price", "State"], &rows))?;
    note(&format!("The table above shows add-ons and the attachments to the current app ({}) or other apps.", app.name));
    Ok(())
}

/// A line for the add-on, one for each attachment, and an empty one.
fn rows_of_app(shown: &Shown, app: &str) -> Vec<[String; 5]> {
    let addon = &shown.addon;
    let plan = plan_name(addon).split(':').next_back().unwrap_or_default().to_owned();
    let (price, max_price) = if addon.app.name == app {
        (price(addon.billed_price.cents), price(addon.billed_price.cents))
    } else {
        (format!("(billed to {} app)", addon.app.name), String::new())
    };
    let first = [format!("{} ({})", service_name(addon), addon.name), plan, price, max_price, state(addon)];
    let mut lines = Vec::new();
    for (number, attachment) in shown.attachments.iter().enumerate() {
        let branch = if number + 1 == shown.attachments.len() { "└─" } else { "├─" };
        let elsewhere = if attachment.app.name == app { String::new() } else { format!(" on {} app", attachment.app.name) };
        lines.push(format!(" {branch} as {}{elsewhere}", attachment.name));
    }
    lines.push(String::new());
    let more = lines.into_iter().map(|line| [line, String::new(), String::new(), String::new(), String::new()]);
    [first].into_iter().chain(more).collect()
}

fn info(client: &Client, args: &Info) -> Result<(), CliError> {
    let addon = resolve(client, &args.addon, args.target.app().ok().as_deref())?;
    let attachments: Vec<AddonAttachment> = client.list(&format!("/addons/{}/addon-attachments", addon.id))?;
    if args.json {
        return print_json(&Shown { addon, attachments });
    }
    let mut attached: Vec<_> = attachments.iter().map(|it| format!("{}::{}", it.app.name, it.name)).collect();
    attached.sort();
    let installed_at = serde_json::to_value(addon.created_at).map_err(anyhow::Error::from)?;
    let fields = output::fields([
        ("Plan", plan_name(&addon).to_owned()),
        ("Price", price(addon.billed_price.cents)),
        ("Max Price", price(addon.billed_price.cents)),
        ("Attachments", attached.join(", ")),
        ("Owning app", addon.app.name.clone()),
        ("Installed at", installed_at.as_str().unwrap_or_default().to_owned()),
        ("State", state(&addon)),
    ]);
    print(&(output::header(&addon.name) + &fields))
}

fn services(client: &Client, args: &Services) -> Result<(), CliError> {
    let services: Vec<AddonService> = client.list("/addon-services")?;
    if args.json {
        return print_json(&services);
    }
    let rows: Vec<_> = services.into_iter().map(|service| [service.name, service.human_name, service.state]).collect();
    print(&output::table(["Slug", "Name", "State"], &rows))?;
    note("See plans with hoist addons:plans SERVICE");
    Ok(())
}

fn plans(client: &Client, args: &Plans) -> Result<(), CliError> {
    let plans: Vec<Plan> = client.list(&format!("/addon-services/{}/plans", encode(&args.service)))?;
    if args.json {
        return print_json(&plans);
    }
    let row = |plan: Plan| {
        let default = if plan.default { "default" } else { "" };
        [default.to_owned(), plan.name, plan.human_name, price(plan.price.cents), price(plan.price.cents)]
    };
    let rows: Vec<_> = plans.into_iter().map(row).collect();
    print(&output::table(["", "Slug", "Name", "Price", "Max Price"], &rows))
}

/// As the Heroku CLI words it.
pub(super) fn price(cents: u32) -> String {
    if cents == 0 { "free".into() } else { format!("${}.{:02}/month", cents / 100, cents % 100) }
}

fn state(addon: &Addon) -> String {
    match addon.state.as_str() {
        "provisioned" => "created",
        "provisioning" => "creating",
        "deprovisioned" => "errored",
        other => other,
    }
    .into()
}
