//! A release that has a release command: pending at first, then settled once.
//!
//! It succeeds if its command does, and is current from then on. It fails with its command. It expires, whatever its
//! command does, when a newer release has become current meanwhile: that one stays. If its refs wait for its success
//! (`-o strict`), it expires as soon as there is any newer release at all, because that one was built upon the code
//! before it. So a release that has succeeded was current once, and what is current has been pushed.

use time::OffsetDateTime;

use super::following::have_followers_built;
use crate::db::phases::WaitingRef;
use crate::db::{self, Connection, Db, DbError};
use crate::model::{Artifact, ArtifactId, Release, ReleaseStatus};

/// What became of a pending release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub status: ReleaseStatus,
    /// Why it failed or expired, in one line.
    pub reason: Option<String>,
}

/// The status of a new release of a recorded slug or image: pending if there is a release command to be run first.
pub async fn first_status(tx: &mut Connection, artifact: Option<ArtifactId>) -> Result<ReleaseStatus, DbError> {
    let Some(id) = artifact else { return Ok(ReleaseStatus::Succeeded) };
    let artifact = db::artifacts::get(tx, id).await?;
    let missing = || DbError::Corrupt { what: "release", why: format!("{id:?} is missing") };
    Ok(status_of_new(&artifact.ok_or_else(missing)?))
}

pub(super) fn status_of_new(artifact: &Artifact) -> ReleaseStatus {
    match artifact.release_command() {
        Some(_) => ReleaseStatus::Pending,
        None => ReleaseStatus::Succeeded,
    }
}

/// Tells why a pending release can't become current any more, if so.
pub async fn expired(db: &Db, release: &Release) -> Result<Option<String>, DbError> {
    expired_in(&mut *db.read().await?, release).await
}

/// Records what became of a pending release, `Err` with the reason if its command failed, and moves the refs that
/// waited for its success. A release that is settled already stays as it is.
pub async fn settle_phase(
    db: &Db,
    release: &Release,
    outcome: Result<(), String>,
    at: OffsetDateTime,
) -> Result<Settled, DbError> {
    let mut tx = db.write().await?;
    let known = db::releases::by_id(&mut tx, release.app, release.id).await?;
    let status = known.map_or(ReleaseStatus::Pending, |release| release.status);
    if status != ReleaseStatus::Pending {
        return Ok(Settled { status, reason: db::releases::reason(&mut tx, release.id).await? });
    }
    let settled = match (outcome, expired_in(&mut tx, release).await?) {
        (Err(reason), _) => Settled { status: ReleaseStatus::Failed, reason: Some(reason) },
        (Ok(()), Some(reason)) => Settled { status: ReleaseStatus::Expired, reason: Some(reason) },
        (Ok(()), None) => Settled { status: ReleaseStatus::Succeeded, reason: None },
    };
    if settled.status == ReleaseStatus::Succeeded {
        let waiting = db::phases::refs(&mut tx, release.id).await?;
        let mut is_moved = false;
        for WaitingRef { name, old, new } in &waiting {
            is_moved |= db::refs::compare_and_set(&mut tx, release.app, name, old.as_ref(), new.as_ref()).await?;
        }
        if is_moved {
            have_followers_built(&mut tx, release, at).await?;
        }
    }
    db::releases::add_event_because(&mut tx, release.id, settled.status, settled.reason.as_deref(), at).await?;
    tx.commit().await?;
    Ok(settled)
}

/// Records that a pending release's turn never came, for the reason that [`expired`] gave.
pub async fn expire(db: &Db, release: &Release, reason: &str, at: OffsetDateTime) -> Result<Settled, DbError> {
    let mut tx = db.write().await?;
    db::releases::add_event_because(&mut tx, release.id, ReleaseStatus::Expired, Some(reason), at).await?;
    tx.commit().await?;
    Ok(Settled { status: ReleaseStatus::Expired, reason: Some(reason.to_owned()) })
}

async fn expired_in(tx: &mut Connection, release: &Release) -> Result<Option<String>, DbError> {
    let waiting = db::phases::refs(tx, release.id).await?;
    for waiting in &waiting {
        if db::refs::get(tx, release.app, &waiting.name).await? != waiting.old {
            return Ok(Some(format!("{} was moved by another push meanwhile", waiting.name)));
        }
    }
    let newer = if waiting.is_empty() {
        db::releases::current(tx, release.app).await?
    } else {
        db::releases::newest(tx, release.app).await?
    };
    let newer = newer.filter(|newer| newer.version > release.version);
    Ok(newer.map(|newer| format!("{} was released meanwhile", newer.version)))
}
