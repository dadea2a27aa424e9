//! What happened to a release after it was appended, in the proof: its statuses and its block carry hashes, too.
//!
//! A status' hash covers the one before it, so that none can be changed or taken out from among the others. What was
//! recorded before there were such hashes (migration 0009) has none, and is taken as it stands.

use futures_util::TryStreamExt as _;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::chain::digest;
use crate::db::{Connection, DbError, row};
use crate::model::{AccountId, AppId, OneLine, ReleaseId, ReleaseStatus};

const STATUS_FORMAT: &str = "hoist release status 1";
const BLOCK_FORMAT: &str = "hoist release block 1";

/// The hash of a status about to be written.
pub(super) async fn status_hash(
    db: &mut Connection,
    release: ReleaseId,
    status: ReleaseStatus,
    reason: Option<&str>,
    at: OffsetDateTime,
) -> Result<String, DbError> {
    let last = sqlx::query("SELECT hash FROM release_events WHERE release_id = ? ORDER BY number DESC LIMIT 1");
    let last = last.bind(release.to_string()).fetch_optional(db).await?;
    let previous = match last {
        Some(row) => row.try_get::<Option<String>, _>("hash")?.unwrap_or_default(),
        None => String::new(),
    };
    let reason = reason.unwrap_or_default();
    Ok(of_status(&release.to_string(), &previous, status.as_str(), reason, row::millis(at)))
}

/// The hash of a block about to be written.
pub(super) fn block_hash(release: ReleaseId, by: AccountId, reason: &OneLine, at: OffsetDateTime) -> String {
    of_block(&release.to_string(), &by.to_string(), reason.as_str(), row::millis(at))
}

fn of_status(release: &str, previous: &str, status: &str, reason: &str, at_millis: i64) -> String {
    let fields = [release, previous, status, reason, &at_millis.to_string()].map(str::to_owned);
    digest(STATUS_FORMAT, &fields, &[])
}

fn of_block(release: &str, by: &str, reason: &str, at_millis: i64) -> String {
    digest(BLOCK_FORMAT, &[release, by, reason, &at_millis.to_string()].map(str::to_owned), &[])
}

/// The versions of an app whose statuses are not as they were recorded, in order.
pub(super) async fn changed_statuses(db: &mut Connection, app: AppId) -> Result<Vec<u32>, DbError> {
    let first_hashed = sqlx::query("SELECT MIN (number) AS number FROM release_events WHERE hash IS NOT NULL");
    let first_hashed = first_hashed.fetch_one(&mut *db).await?.try_get::<Option<i64>, _>("number")?.unwrap_or(i64::MAX);
    let sql = "SELECT releases.id, releases.version, events.number, events.status, COALESCE (events.reason, '') AS reason,
            events.created_at, events.hash
        FROM releases LEFT JOIN release_events AS events ON events.release_id = releases.id
        WHERE releases.app_id = ? ORDER BY releases.version, events.number";
    let mut rows = sqlx::query(sql).bind(app.to_string()).fetch(db);
    let mut changed = Vec::new();
    let (mut release, mut previous) = (String::new(), String::new());
    while let Some(row) = rows.try_next().await? {
        let id: String = row.try_get("id")?;
        if id != release {
            (release, previous) = (id, String::new());
        }
        let version = row::number(&row, "version")?;
        // A column that does not hold what its type says was changed.
        if !is_status_whole(&row, &previous, first_hashed).unwrap_or(false) && changed.last() != Some(&version) {
            changed.push(version);
        }
        previous = row.try_get::<Option<String>, _>("hash").ok().flatten().unwrap_or_default();
    }
    Ok(changed)
}

fn is_status_whole(row: &SqliteRow, previous: &str, first_hashed: i64) -> Result<bool, sqlx::Error> {
    // Every release has a status.
    let Some(number) = row.try_get::<Option<i64>, _>("number")? else { return Ok(false) };
    let Some(hash) = row.try_get::<Option<String>, _>("hash")? else { return Ok(number < first_hashed) };
    let [release, status, reason] = ["id", "status", "reason"].map(|column| row.try_get::<String, _>(column));
    Ok(hash == of_status(&release?, previous, &status?, &reason?, row.try_get("created_at")?))
}

/// The versions of an app whose blocks are not as they were recorded, in order.
pub(super) async fn changed_blocks(db: &mut Connection, app: AppId) -> Result<Vec<u32>, DbError> {
    let sql = "SELECT releases.version, blocks.*,
            (SELECT hash FROM release_events WHERE release_id = releases.id ORDER BY number LIMIT 1) AS first_status_hash
        FROM release_blocks AS blocks JOIN releases ON releases.id = blocks.release_id
        WHERE releases.app_id = ? ORDER BY releases.version";
    let mut rows = sqlx::query(sql).bind(app.to_string()).fetch(db);
    let mut changed = Vec::new();
    while let Some(row) = rows.try_next().await? {
        if !is_block_whole(&row).unwrap_or(false) {
            changed.push(row::number(&row, "version")?);
        }
    }
    Ok(changed)
}

fn is_block_whole(row: &SqliteRow) -> Result<bool, sqlx::Error> {
    let Some(hash) = row.try_get::<Option<String>, _>("hash")? else {
        // Only a release that is older than the hashes can have a block that is.
        return Ok(row.try_get::<Option<String>, _>("first_status_hash")?.is_none());
    };
    let [release, by, reason] = ["release_id", "account_id", "reason"].map(|column| row.try_get::<String, _>(column));
    Ok(hash == of_block(&release?, &by?, &reason?, row.try_get("created_at")?))
}
