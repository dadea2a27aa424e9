//! `hoist admin repo:export` and `repo:import`

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use tempfile::NamedTempFile;
use time::OffsetDateTime;
use tokio::io::BufReader;

use super::admin::actor;
use super::admin_repo::{Opened, with_repo};
use super::error::CliError;
use super::output::{self, note};
use crate::audit;
use crate::config::PlaceArgs;
use crate::git::{ImportError, Imported, IndexError, RefUpdate, Repo};
use crate::model::{App, AppName, CommitId, Deed, Outcome, RefName};
use crate::release::{self, Pack, RefMove, ReleaseError};

/// Refs that are named in a message, or in the audit trail.
const MOST_NAMED: usize = 100;

#[derive(Debug, Args)]
pub(super) struct Export {
    /// Name of the app
    app: AppName,
    /// File of the bundle; - is standard output
    file: PathBuf,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// Name of the app
    app: AppName,
    /// File of the bundle; - is standard input
    file: PathBuf,
    /// Move refs even if commits are lost, and import although the app has other refs
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Export {
    pub(super) fn run(&self) -> Result<(), CliError> {
        with_repo(&self.place, &self.app, async |opened| {
            let refs = opened.refs().await?;
            if refs.is_empty() {
                return Err(CliError::User(format!("There is nothing to export: {} has no refs yet.", self.app)));
            }
            let count = refs.len();
            // The daemon must not take packs away meanwhile.
            let repo = opened.repo.hold().await.context("the repository can't be held")?;
            match self.file.as_os_str().as_encoded_bytes() {
                b"-" => write_to_stdout(&repo, refs).await?,
                _ => write_to_file(&repo, refs, &self.file).await?,
            }
            note(&format!("Exported {count} refs of {}, with all that is behind them.", self.app));
            Ok(())
        })
    }
}

async fn write_to_stdout(repo: &Repo, refs: Vec<(RefName, CommitId)>) -> Result<(), CliError> {
    let stdout = io::stdout();
    if stdout.is_terminal() {
        return Err(CliError::User("A bundle is nothing for a terminal: name a file, or redirect the output.".into()));
    }
    repo.write_bundle(refs, stdout).await.map_err(CliError::Output)
}

/// The file is there once all of it is: one of that name stays as it was until then.
async fn write_to_file(repo: &Repo, refs: Vec<(RefName, CommitId)>, path: &Path) -> Result<(), CliError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot = |error: io::Error| CliError::User(format!("can't write {}: {error}", path.display()));
    let part = NamedTempFile::new_in(folder).map_err(cannot)?;
    let out = io::BufWriter::new(part.reopen().map_err(cannot)?);
    repo.write_bundle(refs, out).await.context("can't export")?;
    part.as_file().sync_all().map_err(cannot)?;
    part.persist(path).map_err(|error| cannot(error.error))?;
    Ok(())
}

impl Import {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let moved = with_repo(&self.place, &self.app, async |opened| self.import(opened).await)?;
        note(&format!("Imported into {}: {moved} refs have moved. Nothing was built: the next push is.", self.app));
        Ok(())
    }

    async fn import(&self, opened: &Opened) -> Result<usize, CliError> {
        let repo = opened.repo.hold().await.context("the repository can't be held")?;
        let refs = opened.refs().await?;
        let mut input = self.open()?;
        let imported = repo.read_bundle(&mut input, &refs).await.map_err(|error| self.explain(error))?;
        for name in &imported.skipped {
            output::warn(&format!("{name} is left out: it can't be a ref of hoist's"));
        }
        self.refuse_loss(&imported)?;
        let now = OffsetDateTime::now_utc();
        let deed = deed(&opened.app, &imported.updates);
        let begun = audit::begin(&opened.db, &actor(), &deed, now).await.map_err(anyhow::Error::from)?;
        let kept = keep(opened, &imported, now).await;
        let outcome = match &kept {
            Ok(()) => Outcome::Succeeded,
            Err(KeepError::Release(ReleaseError::Stale { .. })) => Outcome::Refused("stale".into()),
            Err(_) => Outcome::Failed("store".into()),
        };
        audit::end(&opened.db, begun, &outcome, now).await;
        kept.map_err(|error| match error {
            KeepError::Release(stale @ ReleaseError::Stale { .. }) => {
                CliError::User(format!("Nothing was imported: {stale} meanwhile. Import again."))
            }
            other => CliError::Other(other.into()),
        })?;
        Ok(imported.updates.len())
    }

    fn open(&self) -> Result<BufReader<tokio::fs::File>, CliError> {
        let file = match self.file.as_os_str().as_encoded_bytes() {
            b"-" => io::stdin().as_fd().try_clone_to_owned().map(File::from),
            _ => File::open(&self.file),
        };
        let file = file.map_err(|error| CliError::User(format!("can't read {}: {error}", self.file.display())))?;
        Ok(BufReader::with_capacity(256 * 1024, tokio::fs::File::from_std(file)))
    }

    /// Tells what is wrong with the file from what is wrong here.
    fn explain(&self, error: ImportError) -> CliError {
        match error {
            ImportError::Read(error) => CliError::User(format!("can't read {}: {error}", self.file.display())),
            ImportError::Header(_)
            | ImportError::Prerequisite(_)
            | ImportError::Ref { .. }
            | ImportError::Pack(IndexError::Refused(_) | IndexError::BadObject(_)) => {
                CliError::User(format!("Nothing was imported from {}: {error}.", self.file.display()))
            }
            other => CliError::Other(other.into()),
        }
    }

    fn refuse_loss(&self, imported: &Imported) -> Result<(), CliError> {
        if self.force {
            return Ok(());
        }
        for (refs, what) in [
            (&imported.forced, "would lose commits, or are tags that would move"),
            (&imported.absent, "are not in the bundle, so that it may be another app's"),
        ] {
            if !refs.is_empty() {
                let names: Vec<_> = refs.iter().take(MOST_NAMED).map(RefName::as_str).collect();
                return Err(CliError::User(format!(
                    "Nothing was imported: refs of {} {what}: {}. To import all the same: --force.",
                    self.app,
                    names.join(", ")
                )));
            }
        }
        Ok(())
    }
}

/// Why what was imported was not kept.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("the objects can't be kept")]
    Store(#[source] io::Error),
    #[error("the refs can't be moved")]
    Release(#[from] ReleaseError),
}

/// Puts the pack among the repository's and moves the refs, all or none, as a push does that deploys nothing.
async fn keep(opened: &Opened, imported: &Imported, now: OffsetDateTime) -> Result<(), KeepError> {
    let mut pack = None;
    if let Some(quarantine) = &imported.quarantine {
        quarantine.publish().await.map_err(KeepError::Store)?;
        let stats = quarantine.stats();
        pack = Some(Pack { name: stats.pack.as_str().to_owned(), objects: stats.objects as u64, bytes: stats.bytes });
    }
    let moves = imported.updates.iter().cloned().map(|RefUpdate { name, old, new }| RefMove { name, old, new });
    let moves: Vec<_> = moves.collect();
    Ok(release::move_refs_together(&opened.db, opened.app.id, &moves, pack.as_ref(), now).await?)
}

fn deed(app: &App, updates: &[RefUpdate]) -> Deed {
    let refs: serde_json::Map<_, _> = updates
        .iter()
        .take(MOST_NAMED)
        .map(|update| (update.name.to_string(), json!(update.new.as_ref().map(ToString::to_string))))
        .collect();
    let data = json!({"values": {"app": app.name.as_str()}, "fields": [], "refs": refs});
    Deed { app: Some(app.id), kind: "refs".into(), action: "update".into(), data }
}
