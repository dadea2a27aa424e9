//! `hoist apps`, `apps:create`, `apps:info`, `apps:destroy`, `apps:rename`

use std::io::IsTerminal as _;

use clap::{Args, Subcommand};

use super::checkout::Checkout;
use super::client::Client;
use super::error::CliError;
use super::heroku_yml;
use super::output::{self, Action, print, print_json};
use super::target::{Target, app_path};
use crate::api::types::{
    Account, App, AppChange, BuildpackInstallation, BuildpackUpdate, BuildpackUpdates, Collaborator, NewApp, PipelineCoupling,
};

#[derive(Debug, Subcommand)]
pub(super) enum Apps {
    /// List your apps
    #[command(name = "apps", aliases = ["list", "apps:list"])]
    List(List),
    /// Create an app, and the git remote to push it to
    #[command(name = "apps:create", visible_alias = "create")]
    Create(Create),
    /// Show detailed app information
    #[command(name = "apps:info", visible_alias = "info")]
    Info(Info),
    /// Permanently destroy an app
    #[command(name = "apps:destroy", visible_alias = "destroy", alias = "apps:delete")]
    Destroy(Destroy),
    /// Rename an app
    #[command(name = "apps:rename", visible_alias = "rename")]
    Rename(Rename),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Output in JSON format
    #[arg(short, long)]
    json: bool,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(super) struct Create {
    /// Name of the app to create; a random one if none is given
    app: Option<String>,
    /// Buildpack to use for this app
    #[arg(short, long)]
    buildpack: Option<String>,
    /// Stack to create the app on
    #[arg(short, long)]
    stack: Option<String>,
    /// Create the app on the stack `container`, with the add-ons and config vars of heroku.yml's section `setup`
    #[arg(short, long, conflicts_with_all = ["stack", "buildpack"])]
    manifest: bool,
    /// Git remote to create
    #[arg(short, long, default_value = "hoist")]
    remote: String,
    /// Do not create a git remote
    #[arg(short, long)]
    no_remote: bool,
    /// Let the git remote use HTTP instead of SSH
    #[arg(long)]
    http: bool,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Info {
    #[command(flatten)]
    target: Target,
    /// Output in JSON format
    #[arg(short, long)]
    json: bool,
    /// Output more shell friendly key/value pairs
    #[arg(short, long)]
    shell: bool,
}

#[derive(Debug, Args)]
pub(super) struct Destroy {
    #[command(flatten)]
    target: Target,
    /// The app's name again, to destroy it without being asked
    #[arg(short, long, value_name = "APP")]
    confirm: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Rename {
    /// New unique name of the app
    newname: String,
    #[command(flatten)]
    target: Target,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

impl Apps {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(args) => list(&client, &args),
            Self::Create(args) => create(&client, &args),
            Self::Info(args) => info(&client, &args),
            Self::Destroy(args) => destroy(&client, &args),
            Self::Rename(args) => rename(&client, &args),
        }
    }
}

fn list(client: &Client, args: &List) -> Result<(), CliError> {
    let apps: Vec<App> = client.list("/users/~/apps")?;
    if args.json {
        return print_json(&apps);
    }
    if apps.is_empty() {
        return print("You have no apps.\n");
    }
    let me: Account = client.get("/account")?;
    let (own, others): (Vec<_>, Vec<_>) = apps.into_iter().partition(|app| app.owner.email == me.email);
    let mut text = String::new();
    if !own.is_empty() {
        text += &output::header(&format!("{} Apps", me.email));
        text.extend(own.iter().map(|app| format!("{}\n", app.name)));
    }
    if !others.is_empty() {
        let rows: Vec<_> = others.into_iter().map(|app| [app.name, app.owner.email]).collect();
        text += "\n";
        text += &output::header("Collaborated Apps");
        text += &output::table(["Name", "Email"], &rows);
    }
    print(&text)
}

fn create(client: &Client, args: &Create) -> Result<(), CliError> {
    let setup = args.manifest.then(heroku_yml::read).transpose()?;
    let stack = if args.manifest { Some("container".to_owned()) } else { args.stack.clone() };
    let action = Action::start(&format!("Creating {}", args.app.as_deref().unwrap_or("app")));
    let app: App = client.post("/apps", &NewApp { name: args.app.clone(), stack })?;
    action.done_with(if args.app.is_none() { &app.name } else { "" });
    if let Some(setup) = &setup {
        heroku_yml::apply(client, &app.name, setup)?;
    }
    if let Some(buildpack) = &args.buildpack {
        let action = Action::start(&format!("Setting buildpack to {buildpack}"));
        let updates = BuildpackUpdates { updates: vec![BuildpackUpdate { buildpack: Some(buildpack.clone()) }] };
        let path = format!("{}/buildpack-installations", app_path(&app.name));
        client.put::<Vec<BuildpackInstallation>>(&path, &updates)?;
        action.done();
    }
    // The address that this client itself uses is one that works from here.
    let git_url = if args.http { format!("{}/{}.git", client.url(), app.name) } else { app.git_ssh_url.clone() };
    if !args.no_remote
        && let Some(mut checkout) = Checkout::here()?
    {
        checkout.set_remote(&args.remote, &git_url)?;
    }
    if args.json { print_json(&app) } else { print(&places(&app.web_url, &git_url)) }
}

fn info(client: &Client, args: &Info) -> Result<(), CliError> {
    let path = args.target.path()?;
    let app: App = client.get(&path)?;
    if args.json {
        return print_json(&app);
    }
    let collaborators: Vec<Collaborator> = client.list(&format!("{path}/collaborators"))?;
    let emails = collaborators.into_iter().map(|one| one.user.email).filter(|email| *email != app.owner.email);
    let emails: Vec<_> = emails.collect();
    // An app outside of every pipeline is answered with an error.
    let coupling = client.get::<PipelineCoupling>(&format!("{path}/pipeline-couplings")).ok();
    if args.shell {
        let pipeline = coupling.map(|at| ("pipeline", format!("{}:{}", at.pipeline.name, at.stage)));
        let first = [("auto_cert_mgmt", app.acm.to_string()), ("collaborators", emails.join(","))];
        let rest = [
            ("git_url", app.git_url),
            ("git_ssh_url", app.git_ssh_url),
            ("web_url", app.web_url),
            ("repo_size", output::size(app.repo_size)),
            ("slug_size", output::size(app.slug_size)),
            ("owner", app.owner.email),
            ("region", app.region.name),
            ("stack", app.stack.name),
        ];
        let fields = first.into_iter().chain(pipeline).chain(rest);
        let lines: Vec<_> = fields.map(|(key, value)| format!("{key}={value}\n")).collect();
        return print(&lines.concat());
    }
    let stack = match app.build_stack.name {
        next if next == app.stack.name => next,
        next => format!("{} (next build will use {next})", app.stack.name),
    };
    let fields = [
        ("Collaborators", emails.join(", ")),
        ("Pipeline", coupling.map(|at| format!("{} - {}", at.pipeline.name, at.stage)).unwrap_or_default()),
        ("Auto Cert Mgmt", app.acm.to_string()),
        ("Git URL", app.git_url),
        ("Git SSH URL", app.git_ssh_url),
        ("Web URL", app.web_url),
        ("Repo Size", output::size(app.repo_size)),
        ("Slug Size", output::size(app.slug_size)),
        ("Owner", app.owner.email),
        ("Region", app.region.name),
        ("Root", app.root.unwrap_or_default()),
        ("Follows", app.follows.unwrap_or_default()),
        ("Stack", stack),
    ];
    let fields = output::fields(fields.into_iter().filter(|(_, value)| !value.is_empty()));
    print(&(output::header(&app.name) + &fields))
}

fn destroy(client: &Client, args: &Destroy) -> Result<(), CliError> {
    let name = args.target.app()?;
    let app: App = client.get(&app_path(&name))?;
    confirm(&name, args.confirm.as_deref(), &format!("This destroys {name}, including all add-ons."))?;
    let action = Action::start(&format!("Destroying {name} (including all add-ons)"));
    client.delete::<App>(&app_path(&name))?;
    if let Some(mut checkout) = Checkout::here()? {
        for (remote, _) in remotes_here(client, &checkout, &app) {
            checkout.remove_remote(&remote)?;
        }
    }
    action.done();
    Ok(())
}

fn rename(client: &Client, args: &Rename) -> Result<(), CliError> {
    let name = args.target.app()?;
    let before: App = client.get(&app_path(&name))?;
    let action = Action::start(&format!("Renaming {name} to {}", args.newname));
    let change = AppChange { name: Some(args.newname.clone()), ..AppChange::default() };
    let app: App = client.patch(&app_path(&name), &change)?;
    action.done();
    if !args.json {
        print(&places(&app.web_url, &app.git_ssh_url))?;
    }
    if let Some(mut checkout) = Checkout::here()? {
        for (remote, url) in remotes_here(client, &checkout, &before) {
            let url = if url == before.git_ssh_url { app.git_ssh_url.clone() } else { url.replace(&before.name, &app.name) };
            checkout.set_remote(&remote, &url)?;
            if !args.json {
                print(&format!("Git remote {remote} updated\n"))?;
            }
        }
    }
    output::warn("Don't forget to update git remotes for all other local checkouts of the app.");
    if args.json { print_json(&app) } else { Ok(()) }
}

/// `WEB_URL | GIT_URL`, as far as there are both.
fn places(web_url: &str, git_url: &str) -> String {
    if web_url.is_empty() { format!("{git_url}\n") } else { format!("{web_url} | {git_url}\n") }
}

/// The checkout's remotes that lead to this app at this installation.
fn remotes_here(client: &Client, checkout: &Checkout, app: &App) -> Vec<(String, String)> {
    let ours = [app.git_ssh_url.clone(), app.git_url.clone(), format!("{}/{}.git", client.url(), app.name)];
    checkout.remotes_of(&app.name).into_iter().filter(|(_, url)| ours.contains(url)).collect()
}

/// Lets the user say once more which app is meant, for `what` is going to happen.
pub(super) fn confirm(name: &str, confirmed: Option<&str>, what: &str) -> Result<(), CliError> {
    let entered = match confirmed {
        Some(confirmed) => confirmed.to_owned(),
        None if !std::io::stdin().is_terminal() => {
            return Err(CliError::User(format!("{what} Re-run the command with --confirm {name}")));
        }
        None => {
            output::warn(what);
            output::note(&format!("To proceed, type {name} or re-run this command with --confirm {name}"));
            let mut line = String::new();
            std::io::stdin().read_line(&mut line)?;
            line.trim().to_owned()
        }
    };
    match entered {
        entered if entered == name => Ok(()),
        entered => Err(CliError::User(format!("Confirmation {entered} did not match {name}. Aborted."))),
    }
}
