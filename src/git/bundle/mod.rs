//! A repository as one file: git's bundles (gitformat-bundle(5)), which git clones and fetches from as from a server.

mod header;

use std::collections::{HashMap, HashSet};
use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use tokio::task::spawn_blocking;

use super::admission::refuse_impossible;
use super::commands::{Command, RefUpdate};
use super::index::{IndexError, Indexed, Tip, index};
use super::quarantine::Quarantine;
use super::repo::Repo;
use super::upload_pack::{Chosen, Pulse, lead_back};
use crate::model::{CommitId, RefName, is_deploy_branch};
pub use header::{BundleError, BundleHeader, parse_bundle_header};

/// Longest header: a hundred thousand refs with long names.
const MAX_HEADER: u64 = 32 * 1024 * 1024;

/// Why a bundle was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Whoever has made it can put it right.
    #[error(transparent)]
    Header(#[from] BundleError),
    /// Likewise.
    #[error("it builds upon commit {0}, which is not here: make a bundle of everything, 'git bundle create FILE --all'")]
    Prerequisite(CommitId),
    /// Likewise.
    #[error("{name} cannot be: {why}")]
    Ref { name: String, why: String },
    /// See there.
    #[error(transparent)]
    Pack(#[from] IndexError),
    #[error("the bundle can't be read")]
    Read(#[source] io::Error),
    /// hoist's fault.
    #[error("the repository can't be read")]
    Store(#[source] io::Error),
}

/// A bundle that has been read and checked.
#[derive(Debug)]
pub struct Imported {
    /// Its refs that are not yet what they are in it.
    pub updates: Vec<RefUpdate>,
    /// Those of them that would lose something: history does not lead from the new value to the old one, or the ref is a tag.
    pub forced: Vec<RefName>,
    /// Refs that there are now and that are not in it.
    pub absent: Vec<RefName>,
    /// The names of refs that can't be hoist's.
    pub skipped: Vec<String>,
    /// The objects; `None` when there are none.
    pub quarantine: Option<Quarantine>,
}

impl Repo {
    /// Writes a bundle of everything that can be reached from `refs`, of which there are some. In a repository that is held.
    pub async fn write_bundle(&self, refs: Vec<(RefName, CommitId)>, mut out: impl io::Write + Send + 'static) -> io::Result<()> {
        let (dir, pulse) = (self.pack_dir(), Pulse::default());
        let _stop = pulse.stop_on_drop();
        let write = spawn_blocking(move || {
            let roots: Vec<_> = refs.iter().map(|(_, id)| id.clone()).collect();
            let chosen = Chosen::reachable(&dir, &roots, &pulse)?;
            out.write_all(b"# v2 git bundle\n")?;
            // What git checks out of a clone.
            let head = refs.iter().find(|(name, _)| is_deploy_branch(name)).map(|(_, id)| ("HEAD", id));
            let refs = refs.iter().map(|(name, id)| (name.as_str(), id));
            for (name, id) in head.into_iter().chain(refs) {
                writeln!(out, "{id} {name}")?;
            }
            out.write_all(b"\n")?;
            chosen.write(&dir, &mut out)?;
            out.flush()
        });
        write.await.map_err(io::Error::other)?
    }

    /// Reads a bundle into a quarantine, as a push is read; `refs` are those that there are now. In a repository that is
    /// held.
    pub async fn read_bundle(
        &self,
        input: &mut (impl AsyncBufRead + Unpin),
        refs: &[(RefName, CommitId)],
    ) -> Result<Imported, ImportError> {
        let BundleHeader { refs: wanted, prerequisites, skipped } = read_header(input).await?;
        self.check_prerequisites(prerequisites).await?;
        let named: HashSet<_> = wanted.iter().map(|(name, _)| name).collect();
        let absent = refs.iter().map(|(name, _)| name).filter(|name| !named.contains(name)).cloned().collect();
        let updates = updates(wanted, refs)?;
        let tips = updates.iter().filter_map(|update| Some(Tip::new(update.new.as_ref()?, &update.name))).collect();
        let Indexed { quarantine, tips } = index(input, self, tips, None).await?;
        for (update, refusal) in updates.iter().zip(tips) {
            if let Some(why) = refusal {
                return Err(ImportError::Ref { name: update.name.to_string(), why });
            }
        }
        let forced = self.forced(&updates, quarantine.as_ref()).await.map_err(ImportError::Store)?;
        Ok(Imported { updates, forced, absent, skipped, quarantine })
    }

    async fn check_prerequisites(&self, prerequisites: Vec<CommitId>) -> Result<(), ImportError> {
        let named = |id| Ok::<_, crate::model::Invalid>(("refs/heads/prerequisite".parse()?, id));
        let refs: Vec<_> = prerequisites.iter().cloned().map(named).collect::<Result<_, _>>().expect("it is a branch's name");
        let found = self.examine_refs(refs).await.map_err(ImportError::Store)?;
        match prerequisites.into_iter().zip(found).find(|(_, missing)| missing.is_some()) {
            Some((id, _)) => Err(ImportError::Prerequisite(id)),
            None => Ok(()),
        }
    }

    /// Which updates would lose something.
    async fn forced(&self, updates: &[RefUpdate], quarantine: Option<&Quarantine>) -> io::Result<Vec<RefName>> {
        let moved = updates.iter().filter_map(|update| Some((&update.name, update.old.clone()?, update.new.clone()?)));
        let (names, moves): (Vec<_>, Vec<_>) = moved.map(|(name, old, new)| (name.clone(), (old, new))).unzip();
        let dirs = quarantine.map(Quarantine::pack_dir).into_iter().chain([self.pack_dir()]).collect::<Vec<_>>();
        let lead = spawn_blocking(move || lead_back(&dirs, &moves)).await.map_err(io::Error::other)??;
        let is_forced = |(name, leads): &(RefName, bool)| !leads || name.as_str().starts_with("refs/tags/");
        Ok(names.into_iter().zip(lead).filter(is_forced).map(|(name, _)| name).collect())
    }
}

/// Reads up to the empty line before the pack.
async fn read_header(input: &mut (impl AsyncBufRead + Unpin)) -> Result<BundleHeader, ImportError> {
    let mut text = Vec::new();
    let mut input = input.take(MAX_HEADER);
    loop {
        let count = input.read_until(b'\n', &mut text).await.map_err(ImportError::Read)?;
        if count <= 1 {
            return Ok(parse_bundle_header(&text)?);
        }
        header::check_signature(&text)?;
    }
}

/// What is to be done with the refs that there are, by the rules of a push.
fn updates(wanted: Vec<(RefName, CommitId)>, refs: &[(RefName, CommitId)]) -> Result<Vec<RefUpdate>, ImportError> {
    let now: HashMap<_, _> = refs.iter().map(|(name, id)| (name, id)).collect();
    let is_new = |(name, new): &(RefName, CommitId)| now.get(name) != Some(&new);
    let update = |(name, new): (RefName, CommitId)| {
        let old = now.get(&name).map(|id| (*id).clone());
        RefUpdate { name, old, new: Some(new) }
    };
    let command = |update: RefUpdate| Command { name: update.name.to_string(), deletes: false, update: Ok(update) };
    let mut commands: Vec<_> = wanted.into_iter().filter(is_new).map(update).map(command).collect();
    refuse_impossible(&mut commands, refs);
    let decided = commands.into_iter().map(|Command { name, update, .. }| update.map_err(|why| ImportError::Ref { name, why }));
    decided.collect()
}
