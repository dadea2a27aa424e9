//! Fetching a buildpack, unless there is a copy that will do.

use std::io;
use std::sync::Arc;

use ring::hmac;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tokio::fs::File;
use tokio::time::timeout;

use super::super::Failure;
use super::Behalf;
use super::turns::Turn;
use crate::build::{self, BuildError, FoundPack, Means, PackRepository, RemoteError};
use crate::ctx::Ctx;
use crate::db::buildpack_copies::{BuildpackCopy, CopyKey};
use crate::db::{self, DbError};
use crate::fetch::FetchError;
use crate::git::FoundRevision;
use crate::model::{BuildpackPlace, BuildpackRef, BuildpackVersion, Digest, Revision};
use crate::transcript::Transcript;

/// How exactly it is remembered that a copy is used.
const USED_EXACTNESS: time::Duration = time::Duration::DAY;

/// What the key for digests of signed URLs is derived for.
const PURPOSE: &str = "buildpack places";

const TIME: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");

/// A buildpack that is wanted.
struct Wanted<'a> {
    buildpack: &'a BuildpackRef,
    place: &'a BuildpackPlace,
    key: CopyKey,
    since: OffsetDateTime,
}

/// What its server has.
enum Newest {
    /// What there is a copy of.
    AsBefore,
    Fetched(BuildpackVersion, Digest),
}

/// Gets a buildpack from where it is, or its copy: one that is young enough, or any if it can't be fetched.
pub(super) async fn fetch_pack(
    ctx: &Ctx,
    transcript: &Transcript,
    buildpack: &BuildpackRef,
    place: &BuildpackPlace,
    behalf: &Behalf<'_>,
) -> Result<FoundPack, Failure> {
    let wanted = Wanted { buildpack, place, key: key_of(ctx, place, behalf), since: ctx.now() };
    if let Some((copy, tar)) = kept(ctx, &wanted.key).await?
        && is_fresh(ctx, place, &copy)
    {
        let (version, at) = (shown(&copy.version), time_of(copy.fetched_at));
        transcript.section(&format!("Buildpack {} is at hand: {version}, fetched {at}", told(&wanted)));
        return use_copy(ctx, wanted, copy, tar).await;
    }
    transcript.section(&format!("Fetching buildpack {}", told(&wanted)));
    let mut turn = ctx.packs.turn(&wanted.key).await;
    if let Some(error) = turn.failed_since(wanted.since) {
        transcript.warning("Another build has just found that it can't be fetched.");
        return Err(failed(&wanted, error));
    }
    let kept = kept(ctx, &wanted.key).await?;
    match kept {
        // Another build has asked while this one waited; if in vain, once more would only take as long again.
        Some((copy, tar)) if copy.asked_at >= wanted.since => {
            if copy.checked_at >= wanted.since {
                transcript.detail(&format!("It is {}, as another build has just found", shown(&copy.version)));
            } else {
                say_instead(transcript, "Another build has just found that it can't be fetched.", &copy);
            }
            use_copy(ctx, wanted, copy, tar).await
        }
        kept => fetch_newest(ctx, transcript, wanted, behalf, kept, &mut turn).await,
    }
}

/// Which version of a pack is used without asking its server; `None` when that has to be asked.
pub(super) async fn version_unasked(
    ctx: &Ctx,
    place: &BuildpackPlace,
    behalf: &Behalf<'_>,
) -> Result<Option<BuildpackVersion>, Failure> {
    let kept = kept(ctx, &key_of(ctx, place, behalf)).await?;
    Ok(kept.map(|(copy, _)| copy).filter(|copy| is_fresh(ctx, place, copy)).map(|copy| copy.version))
}

async fn fetch_newest(
    ctx: &Ctx,
    transcript: &Transcript,
    wanted: Wanted<'_>,
    behalf: &Behalf<'_>,
    kept: Option<(BuildpackCopy, File)>,
    turn: &mut Turn,
) -> Result<FoundPack, Failure> {
    let newest = ask(ctx, &wanted, behalf, kept.as_ref().map(|(copy, _)| copy)).await;
    let now = ctx.now();
    let (copy, tar) = match (newest, kept) {
        (Ok(Newest::AsBefore), Some((copy, tar))) => {
            transcript.detail(&format!("It is {}, as before", shown(&copy.version)));
            (BuildpackCopy { checked_at: now, asked_at: now, used_at: now, ..copy }, tar)
        }
        (Ok(Newest::Fetched(version, digest)), _) => {
            transcript.detail(&format!("It is {}", shown(&version)));
            let tar = ctx.store.open_blob(&digest).await.map_err(unread)?;
            (BuildpackCopy { version, digest, fetched_at: now, checked_at: now, asked_at: now, used_at: now }, tar)
        }
        (Err(error), Some((copy, tar))) if may_do_without(&error) => {
            say_instead(transcript, &format!("It can't be fetched: {}.", error.why()), &copy);
            (BuildpackCopy { asked_at: now, used_at: now, ..copy }, tar)
        }
        (Err(error), _) => {
            let error = Arc::new(error);
            turn.fail(now, Arc::clone(&error));
            return Err(failed(&wanted, error));
        }
        (Ok(Newest::AsBefore), None) => return Err(unread(io::ErrorKind::NotFound.into())),
    };
    turn.succeed();
    keep(ctx, wanted, copy, tar).await
}

fn failed(wanted: &Wanted<'_>, error: Arc<BuildError>) -> Failure {
    BuildError::Pack { buildpack: wanted.buildpack.clone(), error }.into()
}

fn say_instead(transcript: &Transcript, why: &str, copy: &BuildpackCopy) {
    let (version, at) = (shown(&copy.version), time_of(copy.fetched_at));
    transcript.warning(why);
    transcript.warning(&format!("The copy is used that was fetched {at}: {version}."));
}

/// Asks the server, and fetches what is newer than the copy.
async fn ask(ctx: &Ctx, wanted: &Wanted<'_>, behalf: &Behalf<'_>, copy: Option<&BuildpackCopy>) -> Result<Newest, BuildError> {
    let means = &behalf.means;
    match wanted.place {
        BuildpackPlace::Git { url, at } => {
            let repo = ctx.buildpacks_repo().map_err(|source| BuildError::Io { what: "the buildpack can't be kept", source })?;
            let asking = ask_git(PackRepository { repo: &repo, url, at: at.as_ref() }, means, copy);
            timeout(means.bounds.time, asking).await.unwrap_or(Err(BuildError::Remote(RemoteError::TooSlow)))
        }
        BuildpackPlace::Archive(url) => {
            let fetching = timeout(means.bounds.time, build::keep_pack_archive(url, means));
            let (archive, digest) = fetching.await.unwrap_or(Err(BuildError::Fetch(FetchError::TimedOut)))?;
            Ok(Newest::Fetched(BuildpackVersion::Digest(archive), digest))
        }
    }
}

async fn ask_git(pack: PackRepository<'_>, means: &Means<'_>, copy: Option<&BuildpackCopy>) -> Result<Newest, BuildError> {
    let found = match pack.at.and_then(Revision::commit) {
        Some(commit) => FoundRevision::Commit(commit),
        None => build::find_pack(pack, means).await?,
    };
    if let (FoundRevision::Commit(commit), Some(copy)) = (&found, copy)
        && copy.version == BuildpackVersion::Commit(commit.clone())
    {
        return Ok(Newest::AsBefore);
    }
    let (commit, digest) = build::keep_pack(pack, &found, means).await?;
    Ok(Newest::Fetched(BuildpackVersion::Commit(commit), digest))
}

/// Whether a copy may take the place of what can't be fetched: not where hoist itself fails, nor where it may not go.
fn may_do_without(error: &BuildError) -> bool {
    let is_private = matches!(
        error,
        BuildError::Fetch(FetchError::Private(_)) | BuildError::Remote(RemoteError::Unreached(FetchError::Private(_)))
    );
    !is_private && !error.is_hoists_fault()
}

/// What opens with an app's credentials is that app's alone. Whoever reads the key learns no signature from it.
fn key_of(ctx: &Ctx, place: &BuildpackPlace, behalf: &Behalf<'_>) -> CopyKey {
    let url = match place {
        BuildpackPlace::Git { url, .. } => Some(url.clone()),
        BuildpackPlace::Archive(url) => url.shown().parse().ok(),
    };
    let is_private = url.is_some_and(|url| behalf.means.submodules.opens(&url));
    let (whole, mut shown) = (place.to_string(), place.shown());
    if whole != shown {
        let digest = hmac::sign(&ctx.db.cipher().signing_key(PURPOSE), whole.as_bytes());
        shown = format!("{shown}#{}", hex::encode(digest));
    }
    CopyKey { app: behalf.app.filter(|_| is_private), place: shown }
}

/// A commit's id never comes to mean another commit; anything else is asked for when the copy is old.
fn is_fresh(ctx: &Ctx, place: &BuildpackPlace, copy: &BuildpackCopy) -> bool {
    let is_of_id = match (place, &copy.version) {
        (BuildpackPlace::Git { at: Some(at), .. }, BuildpackVersion::Commit(commit)) => at.is_id_of(commit),
        _ => false,
    };
    is_of_id || ctx.now() - copy.checked_at < ctx.config.buildpacks.refresh
}

/// The copy, opened: from here on nobody can take it away.
async fn kept(ctx: &Ctx, key: &CopyKey) -> Result<Option<(BuildpackCopy, File)>, Failure> {
    let Some(copy) = db::buildpack_copies::get(&mut *ctx.db.read().await?, key).await? else { return Ok(None) };
    match ctx.store.open_blob(&copy.digest).await {
        Ok(tar) => Ok(Some((copy, tar))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::warn!(digest = %copy.digest, "the copy of a buildpack is missing");
            Ok(None)
        }
        Err(error) => Err(unread(error)),
    }
}

async fn use_copy(ctx: &Ctx, wanted: Wanted<'_>, copy: BuildpackCopy, tar: File) -> Result<FoundPack, Failure> {
    let now = ctx.now();
    if now - copy.used_at < USED_EXACTNESS {
        return Ok(FoundPack::kept(wanted.buildpack.clone(), copy.version, tar));
    }
    let mut tx = ctx.db.write().await?;
    db::buildpack_copies::touch(&mut tx, &wanted.key, now).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(FoundPack::kept(wanted.buildpack.clone(), copy.version, tar))
}

async fn keep(ctx: &Ctx, wanted: Wanted<'_>, copy: BuildpackCopy, tar: File) -> Result<FoundPack, Failure> {
    let mut tx = ctx.db.write().await?;
    db::buildpack_copies::set(&mut tx, &wanted.key, &copy).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(FoundPack::kept(wanted.buildpack.clone(), copy.version, tar))
}

fn unread(source: io::Error) -> Failure {
    Failure::Io { what: "the copy of a buildpack can't be read", source }
}

/// The reference and, where it is a name, what that means.
fn told(wanted: &Wanted<'_>) -> String {
    match wanted.buildpack {
        BuildpackRef::Registered(name) => format!("{name} from {}", wanted.place.shown()),
        _ => wanted.place.shown(),
    }
}

fn shown(version: &BuildpackVersion) -> String {
    match version {
        BuildpackVersion::Commit(commit) => format!("commit {}", commit.short()),
        BuildpackVersion::Digest(digest) => format!("archive {}", &digest.hex()[..12]),
    }
}

fn time_of(at: OffsetDateTime) -> String {
    at.format(TIME).expect("a time has all its parts")
}
