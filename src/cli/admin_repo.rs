//! `hoist admin repo:check`, and how to get at an app's repository beside the daemon.

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::error::CliError;
use super::output::{self, fields, print, print_json, table};
use crate::config::{Config, PlaceArgs};
use crate::db::{self, Db, DbError};
use crate::git::{Examined, Repo};
use crate::model::{App, AppName, CommitId, RefName};
use crate::repos::{self, PackState, Report};

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Name of the app
    app: AppName,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// An app's repository, beside the daemon.
pub(super) struct Opened {
    pub db: Db,
    pub app: App,
    pub repo: Repo,
}

impl Opened {
    pub(super) async fn refs(&self) -> Result<Vec<(RefName, CommitId)>, CliError> {
        let list = async { db::refs::list(&mut *self.db.read().await?, self.app.id).await };
        list.await.map_err(|error: DbError| CliError::Other(error.into()))
    }
}

/// Does something with an app's repository.
pub(super) fn with_repo<T>(
    place: &PlaceArgs,
    name: &AppName,
    work: impl AsyncFnOnce(&Opened) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let config = Config::load_place(place).map_err(anyhow::Error::from)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("can't start the runtime")?;
    runtime.block_on(async {
        let db = Db::open(&config.data_dir).await.map_err(anyhow::Error::from)?;
        let done = match open(&config, &db, name).await {
            Ok((app, repo)) => work(&Opened { db: db.clone(), app, repo }).await,
            Err(error) => Err(error),
        };
        db.close().await;
        done
    })
}

async fn open(config: &Config, db: &Db, name: &AppName) -> Result<(App, Repo), CliError> {
    let find = async { db::apps::by_name(&mut *db.read().await?, name).await };
    let app = find.await.map_err(|error: DbError| CliError::Other(error.into()))?;
    let app = app.ok_or_else(|| CliError::User(format!("There is no app {name}.")))?;
    let helper = std::env::current_exe().context("can't find hoist's own executable")?;
    let dir = config.data_dir.join("repos").join(app.id.to_string());
    let repo = Repo::open(&dir, &helper, &config.limits).with_context(|| format!("can't open {}", dir.display()))?;
    Ok((app, repo))
}

impl Check {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let report = with_repo(&self.place, &self.app, async |Opened { db, app, repo }| {
            Ok(repos::check(db, repo, app.id).await.map_err(anyhow::Error::from)?)
        })?;
        if self.json {
            print_json(&as_json(&report))?;
        } else {
            print(&described(&report))?;
        }
        if report.faults.is_empty() {
            return Ok(());
        }
        Err(CliError::User(format!(
            "The repository of {} is damaged. Restore its folder from a backup, or give back what is missing from a clone\n\
             that has it: git bundle create FILE --all, then hoist admin repo:import {} FILE.",
            self.app, self.app
        )))
    }
}

/// A pack's state in a word, and how many objects it has, which only a sound one tells.
fn state(pack: &PackState) -> (&'static str, Option<usize>) {
    match &pack.examined {
        Examined::Sound { objects } => ("sound", Some(*objects)),
        Examined::Damaged(_) => ("damaged", None),
    }
}

fn as_json(report: &Report) -> Value {
    let pack = |pack: &PackState| {
        let (state, objects) = state(pack);
        json!({ "name": pack.name.as_str(), "objects": objects, "size": pack.bytes, "state": state })
    };
    let packs: Vec<_> = report.packs.iter().map(pack).collect();
    json!({ "refs": report.refs, "packs": packs, "faults": report.faults, "remarks": report.remarks })
}

fn described(report: &Report) -> String {
    let row = |pack: &PackState| {
        let (state, objects) = state(pack);
        let objects = objects.map(|count| count.to_string()).unwrap_or_default();
        [pack.name.as_str().to_owned(), objects, output::size(pack.bytes), state.to_owned()]
    };
    let rows: Vec<_> = report.packs.iter().map(row).collect();
    let mut text = table(["Pack", "Objects", "Size", "State"], &rows);
    let counts = [("Refs", report.refs), ("Packs", report.packs.len()), ("Faults", report.faults.len())];
    text += &fields(counts.map(|(name, count)| (name, count.to_string())));
    let marked = [("Fault", &report.faults), ("Remark", &report.remarks)];
    let lines = marked.into_iter().flat_map(|(mark, lines)| lines.iter().map(move |line| format!("{mark}: {line}\n")));
    text.extend(lines);
    text
}
