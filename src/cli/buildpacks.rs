//! `hoist buildpacks`, `buildpacks:add`, `buildpacks:set`, `buildpacks:remove`, `buildpacks:clear`

use std::num::NonZeroUsize;

use clap::{Args, Subcommand};

use super::client::Client;
use super::error::CliError;
use super::output::{self, print, print_json};
use super::target::{Target, app_path};
use crate::api::types::{BuildpackInstallation, BuildpackUpdate, BuildpackUpdates};
use crate::model::BuildpackRef;

#[derive(Debug, Subcommand)]
pub(super) enum Buildpacks {
    /// List the buildpacks on an app
    #[command(name = "buildpacks")]
    List(Common),
    /// Add a buildpack, inserting it into the list of buildpacks if necessary
    #[command(name = "buildpacks:add")]
    Add(At),
    /// Set a buildpack, replacing the one at its index
    #[command(name = "buildpacks:set")]
    Set(At),
    /// Remove a buildpack set on the app
    #[command(name = "buildpacks:remove")]
    Remove(Remove),
    /// Clear all buildpacks set on the app
    #[command(name = "buildpacks:clear")]
    Clear(Common),
}

#[derive(Debug, Args)]
pub(super) struct Common {
    #[command(flatten)]
    target: Target,
    /// Output in JSON format
    #[arg(short, long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct At {
    /// Buildpack: hoist/nodejs, NAMESPACE/NAME, the URL of a git repository (with #REVISION) or of a .tgz, or ./path inside the app
    buildpack: BuildpackRef,
    /// The 1-based index in the list of buildpacks
    #[arg(short, long)]
    index: Option<NonZeroUsize>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// Buildpack to remove
    #[arg(required_unless_present = "index", conflicts_with = "index")]
    buildpack: Option<BuildpackRef>,
    /// The 1-based index in the list of buildpacks
    #[arg(short, long)]
    index: Option<NonZeroUsize>,
    #[command(flatten)]
    common: Common,
}

impl Buildpacks {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(common) => List::read(&client, &common)?.print(),
            Self::Add(args) => List::read(&client, &args.common)?.add(&args.buildpack, args.index),
            Self::Set(args) => List::read(&client, &args.common)?.set(&args.buildpack, args.index),
            Self::Remove(args) => List::read(&client, &args.common)?.remove(args.buildpack.as_ref(), args.index),
            Self::Clear(common) => List::read(&client, &common)?.clear("Buildpacks cleared."),
        }
    }
}

/// The buildpacks of an app, to be changed and written back.
struct List<'a> {
    client: &'a Client,
    app: String,
    json: bool,
    names: Vec<String>,
}

impl<'a> List<'a> {
    fn read(client: &'a Client, common: &Common) -> Result<Self, CliError> {
        let app = common.target.app()?;
        let installed = client.get(&path(&app))?;
        Ok(Self { client, app, json: common.json, names: names(installed) })
    }

    fn print(self) -> Result<(), CliError> {
        if self.json {
            return print_json(&self.names);
        }
        let text = match self.names.as_slice() {
            [] => format!("{} has no Buildpacks.\n", self.app),
            [one] => format!("{}{one}\n", output::header(&format!("{} Buildpack", self.app))),
            many => output::header(&format!("{} Buildpacks", self.app)) + &numbered(many, ""),
        };
        print(&text)
    }

    fn add(mut self, buildpack: &BuildpackRef, index: Option<NonZeroUsize>) -> Result<(), CliError> {
        let name = self.not_yet(buildpack)?;
        let at = index.map_or(self.names.len(), |index| (index.get() - 1).min(self.names.len()));
        self.names.insert(at, name);
        self.write("added")
    }

    fn set(mut self, buildpack: &BuildpackRef, index: Option<NonZeroUsize>) -> Result<(), CliError> {
        let name = self.not_yet(buildpack)?;
        match self.names.get_mut(index.map_or(0, |index| index.get() - 1)) {
            Some(slot) => *slot = name,
            None => self.names.push(name),
        }
        self.write("set")
    }

    fn remove(mut self, buildpack: Option<&BuildpackRef>, index: Option<NonZeroUsize>) -> Result<(), CliError> {
        if self.names.is_empty() {
            let app = &self.app;
            let text = format!("No buildpacks were found. Next release on {app} will detect buildpacks normally.");
            return Err(CliError::User(text));
        }
        let name = buildpack.map(ToString::to_string);
        let at = match index {
            Some(index) => Some(index.get() - 1).filter(|at| *at < self.names.len()),
            None => self.names.iter().position(|set| Some(set) == name.as_ref()),
        };
        let at = at.ok_or_else(|| CliError::User("Buildpack not found. Nothing was removed.".into()))?;
        self.names.remove(at);
        if self.names.is_empty() { self.clear("Buildpack removed.") } else { self.write("removed") }
    }

    fn clear(mut self, done: &str) -> Result<(), CliError> {
        self.names.clear();
        self.put()?;
        if self.json {
            return print_json(&self.names);
        }
        print(&format!("{done} Next release on {} will detect buildpacks normally.\n", self.app))
    }

    fn not_yet(&self, buildpack: &BuildpackRef) -> Result<String, CliError> {
        let name = buildpack.to_string();
        if self.names.contains(&name) {
            return Err(CliError::User(format!("The buildpack {name} is already set on your app.")));
        }
        Ok(name)
    }

    fn write(self, done: &str) -> Result<(), CliError> {
        self.put()?;
        if self.json {
            return print_json(&self.names);
        }
        let next = format!("Buildpack {done}. Next release on {} will use", self.app);
        let text = match self.names.as_slice() {
            [one] => format!("{next} {one}.\nRun git push hoist main to create a new release using this buildpack.\n"),
            many => {
                let list = numbered(many, "  ");
                format!("{next}:\n{list}Run git push hoist main to create a new release using these buildpacks.\n")
            }
        };
        print(&text)
    }

    fn put(&self) -> Result<(), CliError> {
        let updates = self.names.iter().map(|name| BuildpackUpdate { buildpack: Some(name.clone()) }).collect();
        self.client.put::<Vec<BuildpackInstallation>>(&path(&self.app), &BuildpackUpdates { updates })?;
        Ok(())
    }
}

fn path(app: &str) -> String {
    format!("{}/buildpack-installations", app_path(app))
}

fn names(installed: Vec<BuildpackInstallation>) -> Vec<String> {
    installed.into_iter().map(|installation| installation.buildpack.name).collect()
}

fn numbered(names: &[String], indent: &str) -> String {
    names.iter().enumerate().map(|(at, name)| format!("{indent}{}. {name}\n", at + 1)).collect::<Vec<_>>().concat()
}
