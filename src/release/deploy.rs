//! The one transaction of a push: release, slug, build outcome, refs and pack together, or none of them.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::config::{ConfigError, base_config, refuse_attached};
use super::following::have_followers_built;
use super::phase::status_of_new;
use crate::db::builds::Outcome;
use crate::db::phases::WaitingRef;
use crate::db::registry::Place;
use crate::db::registry::manifests::{Child, StoredManifest};
use crate::db::releases::NewRelease;
use crate::db::{self, Connection, Db, DbError};
use crate::model::{
    AccountId, AppId, Artifact, BuildId, BuildStatus, CacheChange, CommitId, ConfigChange, ConfigKey, Digest, Invalid,
    ProcessType, RefName, Release, ReleaseStatus, Secret, SlugStatement, StackName, Tag,
};

/// A ref's move, if it is still where the pusher saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefMove {
    pub name: RefName,
    pub old: Option<CommitId>,
    pub new: Option<CommitId>,
}

/// A pack that has left quarantine.
#[derive(Debug, Clone)]
pub struct Pack {
    pub name: String,
    pub objects: u64,
    pub bytes: u64,
}

/// A manifest that a build has made for a process type. Its bytes and its blobs' are in the store, and so young that
/// garbage collection leaves them alone.
#[derive(Debug, Clone)]
pub struct NewManifest {
    pub process_type: ProcessType,
    pub manifest: StoredManifest,
    /// Config and layers, with their sizes in bytes.
    pub blobs: Vec<(Digest, u64)>,
}

/// Everything that a successful build changes.
#[derive(Debug)]
pub struct Deploy {
    pub app: AppId,
    pub by: AccountId,
    pub build: BuildId,
    pub artifact: Artifact,
    /// What is said of a slug.
    pub statements: Vec<SlugStatement>,
    /// What an image is made of, for the app's repositories.
    pub manifests: Vec<NewManifest>,
    pub cache: CacheChange,
    pub refs: Vec<RefMove>,
    pub pack: Option<Pack>,
    pub config: BTreeMap<ConfigKey, Option<Secret>>,
    pub at: OffsetDateTime,
}

/// Why a release was not made. Nothing at all was recorded then.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// Somebody else moved the ref since the pusher looked.
    #[error("{name} has moved to {}", .now.as_ref().map_or("nothing", |commit| commit.short()))]
    Stale { name: RefName, now: Option<CommitId> },
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<ConfigError> for ReleaseError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Invalid(invalid) => invalid.into(),
            ConfigError::Db(error) => error.into(),
        }
    }
}

/// When the refs of a release that has a release command move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RefsMove {
    /// Whatever becomes of the command, as at Heroku.
    AtOnce,
    /// If it succeeds: by `settle_phase`.
    WithSuccess,
}

/// Releases a build.
pub async fn release_deploy(db: &Db, deploy: Deploy) -> Result<Release, ReleaseError> {
    record_deploy(db, deploy, RefsMove::AtOnce).await
}

/// Releases a build whose refs move only when the release succeeds (`-o strict`).
pub async fn release_deploy_strictly(db: &Db, deploy: Deploy) -> Result<Release, ReleaseError> {
    record_deploy(db, deploy, RefsMove::WithSuccess).await
}

async fn record_deploy(db: &Db, deploy: Deploy, refs_move: RefsMove) -> Result<Release, ReleaseError> {
    let mut tx = db.write().await?;
    let status = status_of_new(&deploy.artifact);
    let refs_wait = refs_move == RefsMove::WithSuccess && status == ReleaseStatus::Pending;
    if refs_wait {
        check_refs(&mut tx, deploy.app, &deploy.refs).await?;
    } else {
        move_all(&mut tx, deploy.app, &deploy.refs).await?;
    }
    record_pack(&mut tx, deploy.app, deploy.pack.as_ref(), deploy.at).await?;
    for new in &deploy.manifests {
        record_manifest(&mut tx, deploy.app, new, deploy.at).await?;
    }
    db::artifacts::insert(&mut tx, &deploy.artifact).await?;
    record_statements(&mut tx, &deploy).await?;
    // A stack that was set meanwhile has dropped the cache, and this one is the old stack's.
    if let CacheChange::To(cache) = &deploy.cache
        && db::apps::get(&mut tx, deploy.app).await?.stack == deploy.artifact.stack()
    {
        db::apps::set_cache(&mut tx, deploy.app, cache.as_ref()).await?;
    }
    let outcome = Outcome { status: BuildStatus::Succeeded, reason: None, slug: deploy.artifact.slug() };
    db::builds::end(&mut tx, deploy.build, &outcome, deploy.at).await?;
    refuse_attached(&mut tx, deploy.app, &deploy.config).await?;
    // The config is read here, not when the build began: a change made meanwhile is not lost.
    let (config, change) = base_config(&mut tx, db, deploy.app).await?.changed(&deploy.config)?;
    let new = NewRelease {
        app: deploy.app,
        description: description(&what(&mut tx, &deploy).await?, new_stack(&mut tx, &deploy).await?.as_ref(), &change),
        by: deploy.by,
        artifact: Some(deploy.artifact.id()),
        build: Some(deploy.build),
        commit: deploy.artifact.commit().cloned(),
        config,
        status,
        at: deploy.at,
    };
    let release = db::releases::append(&mut tx, db.cipher(), new).await?;
    if !refs_wait && !deploy.refs.is_empty() {
        have_followers_built(&mut tx, &release, deploy.at).await?;
    }
    if refs_wait {
        for RefMove { name, old, new } in deploy.refs {
            db::phases::insert_ref(&mut tx, release.id, &WaitingRef { name, old, new }).await?;
        }
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(release)
}

/// Moves refs that release nothing, other branches and tags, each for itself; gives why those did not move that have moved
/// meanwhile. One transaction: thousands of them take no longer than a few.
pub async fn move_refs(
    db: &Db,
    app: AppId,
    refs: &[RefMove],
    pack: Option<&Pack>,
    at: OffsetDateTime,
) -> Result<BTreeMap<RefName, ReleaseError>, ReleaseError> {
    let mut tx = db.write().await?;
    let mut unmoved = BTreeMap::new();
    for one in refs {
        match move_one(&mut tx, app, one).await {
            Ok(()) => {}
            Err(error @ ReleaseError::Stale { .. }) => drop(unmoved.insert(one.name.clone(), error)),
            Err(error) => return Err(error),
        }
    }
    if unmoved.len() < refs.len() {
        record_pack(&mut tx, app, pack, at).await?;
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(unmoved)
}

/// Moves refs that release nothing, all or none (`--atomic`).
pub async fn move_refs_together(
    db: &Db,
    app: AppId,
    refs: &[RefMove],
    pack: Option<&Pack>,
    at: OffsetDateTime,
) -> Result<(), ReleaseError> {
    let mut tx = db.write().await?;
    move_all(&mut tx, app, refs).await?;
    record_pack(&mut tx, app, pack, at).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}

async fn move_all(tx: &mut Connection, app: AppId, refs: &[RefMove]) -> Result<(), ReleaseError> {
    for one in refs {
        move_one(tx, app, one).await?;
    }
    Ok(())
}

async fn move_one(tx: &mut Connection, app: AppId, RefMove { name, old, new }: &RefMove) -> Result<(), ReleaseError> {
    if db::refs::compare_and_set(tx, app, name, old.as_ref(), new.as_ref()).await? {
        Ok(())
    } else {
        Err(stale(tx, app, name).await?)
    }
}

async fn check_refs(tx: &mut Connection, app: AppId, refs: &[RefMove]) -> Result<(), ReleaseError> {
    for RefMove { name, old, .. } in refs {
        if db::refs::get(tx, app, name).await? != *old {
            return Err(stale(tx, app, name).await?);
        }
    }
    Ok(())
}

async fn stale(tx: &mut Connection, app: AppId, name: &RefName) -> Result<ReleaseError, DbError> {
    Ok(ReleaseError::Stale { name: name.clone(), now: db::refs::get(tx, app, name).await? })
}

async fn record_pack(tx: &mut Connection, app: AppId, pack: Option<&Pack>, at: OffsetDateTime) -> Result<(), DbError> {
    match pack {
        Some(pack) => db::packs::insert(tx, app, &pack.name, pack.objects, pack.bytes, at).await,
        None => Ok(()),
    }
}

async fn record_statements(tx: &mut Connection, deploy: &Deploy) -> Result<(), DbError> {
    let Some(slug) = deploy.artifact.slug() else { return Ok(()) };
    for statement in &deploy.statements {
        db::slug_statements::insert(tx, slug, statement).await?;
    }
    Ok(())
}

/// Puts an image into the app's repository, as if it had been pushed as `latest`: so does Heroku (conventions 3.1).
async fn record_manifest(tx: &mut Connection, app: AppId, new: &NewManifest, at: OffsetDateTime) -> Result<(), DbError> {
    let place = Place { app, process_type: new.process_type.clone() };
    for (digest, size_bytes) in &new.blobs {
        db::registry::blobs::insert(tx, &place, digest, *size_bytes, at).await?;
    }
    let children: Vec<_> = new.blobs.iter().map(|(digest, _)| Child::Blob(*digest)).collect();
    db::registry::manifests::insert(tx, &place, &new.manifest, &children).await?;
    let latest: Tag = "latest".parse().expect("a tag");
    db::registry::tags::set(tx, &place, &latest, &new.manifest.digest).await
}

/// What was deployed, in a word: a commit, or what an archive's author calls it.
async fn what(tx: &mut Connection, deploy: &Deploy) -> Result<String, DbError> {
    if let Some(commit) = deploy.artifact.commit() {
        return Ok(commit.short().to_owned());
    }
    let build = db::builds::get(tx, deploy.app, deploy.build).await?;
    let version = build.and_then(|build| build.source).and_then(|source| source.version);
    Ok(version.map_or_else(|| "source".to_owned(), |version| version.short()))
}

/// The stack of the build, if the code there was before ran on another one.
async fn new_stack(tx: &mut Connection, deploy: &Deploy) -> Result<Option<StackName>, DbError> {
    let Some(base) = db::releases::base(tx, deploy.app).await? else { return Ok(None) };
    let before = db::artifacts::of_release(tx, &base).await?.map(|before| before.stack());
    let now = deploy.artifact.stack();
    Ok(before.filter(|before| *before != now).map(|_other| now))
}

/// `Deploy a617a93d`, and what else the push changed (conventions 3.8): the stack, in Heroku's words, and config vars.
fn description(what: &str, new_stack: Option<&StackName>, change: &ConfigChange) -> String {
    let stack = new_stack.map(|stack| format!(", upgrade stack to {stack}")).unwrap_or_default();
    let config = if change.is_empty() { String::new() } else { format!("; {}", change.description()) };
    format!("{}{stack}{config}", deploy_of(what))
}

/// `Deploy a617a93d`, of any release of a slug or an image.
pub(super) fn deploy_of(what: &str) -> String {
    format!("Deploy {what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ConfigVars;

    #[test]
    fn a_deploy_says_what_else_it_changes() {
        let stack: StackName = "debian-13".parse().unwrap();
        let set = BTreeMap::from([("LANG".parse().unwrap(), Some(Secret::new("C")))]);
        let (_, set) = ConfigVars::default().changed(&set).unwrap();
        let none = ConfigChange::default();
        assert_eq!(description("a617a93d", None, &none), "Deploy a617a93d");
        assert_eq!(description("a617a93d", Some(&stack), &none), "Deploy a617a93d, upgrade stack to debian-13");
        assert_eq!(description("a617a93d", None, &set), "Deploy a617a93d; Set LANG config vars");
        assert_eq!(
            description("a617a93d", Some(&stack), &set),
            "Deploy a617a93d, upgrade stack to debian-13; Set LANG config vars"
        );
    }
}
