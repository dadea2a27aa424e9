//! The audit trail: what somebody is about to do is recorded before it takes effect, so that no crash can hide it: it is on
//! disk no later than what comes of it, though nobody waits for that (`Db::write_ahead`).
//!
//! How it ended follows in a row of its own. An event without one was cut off: the daemon died, or its client went, and
//! the ledger and the other tables say whether anything came of it.

use time::{Duration, OffsetDateTime};

use crate::db::{self, Db, DbError};
use crate::model::{Actor, Deed, Outcome};

/// Events removed in one transaction, so that none holds up other writers for long.
const BATCH: u32 = 1000;

/// An event whose end is still to be told.
#[derive(Debug, Clone, Copy)]
#[must_use = "an event has an end"]
pub struct Begun(i64);

/// Records what is about to be done. When that fails it must not be done.
pub async fn begin(db: &Db, actor: &Actor, deed: &Deed, now: OffsetDateTime) -> Result<Begun, DbError> {
    let mut tx = db.write_ahead().await?;
    let number = db::audit::begin(&mut tx, actor, deed, now).await?;
    tx.commit().await?;
    Ok(Begun(number))
}

/// Records how it ended. By now it is done, so that a failure is logged and hinders nobody.
pub async fn end(db: &Db, Begun(number): Begun, outcome: &Outcome, now: OffsetDateTime) {
    let written = async {
        let mut tx = db.write_ahead().await?;
        db::audit::end(&mut tx, number, outcome, now).await?;
        tx.commit().await.map_err(DbError::from)
    };
    if let Err(error) = written.await {
        tracing::error!(error = &error as &dyn std::error::Error, audit.number = number, "the end of an event is not recorded");
    }
}

/// Records what was refused before anything could take effect.
pub async fn refused(db: &Db, actor: &Actor, deed: &Deed, why: String, now: OffsetDateTime) -> Result<(), DbError> {
    let mut tx = db.write_ahead().await?;
    let number = db::audit::begin(&mut tx, actor, deed, now).await?;
    db::audit::end(&mut tx, number, &Outcome::Refused(why), now).await?;
    Ok(tx.commit().await?)
}

/// Removes what is older than `keep`, at least a day, and tells how many events that were.
pub async fn remove_old(db: &Db, keep: Duration, now: OffsetDateTime) -> Result<u64, DbError> {
    let before = now - keep.max(Duration::DAY);
    if !db::audit::has_older(&mut *db.read().await?, before).await? {
        return Ok(0);
    }
    let mut tx = db.write().await?;
    db::audit::cut(&mut tx, before, now).await?;
    tx.commit().await?;
    let mut total = 0;
    loop {
        let mut tx = db.write().await?;
        let removed = db::audit::remove_older(&mut tx, before, BATCH).await?;
        tx.commit().await?;
        total += removed;
        if removed < u64::from(BATCH) {
            return Ok(total);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::db::{Order, Window};
    use crate::model::{Account, AccountId, Credential, Door};

    const ALL: Window = Window { from: 0, to: u32::MAX, order: Order::Ascending, most: 9999 };
    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    async fn world() -> (tempfile::TempDir, Db, Account) {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path()).await.unwrap();
        let mut tx = db.write().await.unwrap();
        let account = db::accounts::insert(&mut tx, &"a@example.com".parse().unwrap(), NOW).await.unwrap();
        tx.commit().await.unwrap();
        (dir, db, account)
    }

    fn actor(account: AccountId) -> Actor {
        let credential = Credential::SshKey("SHA256:x".into());
        Actor { door: Door::GitSsh, account: Some(account), credential, address: None, request: Uuid::nil() }
    }

    fn deed() -> Deed {
        Deed { app: None, kind: "test".into(), action: "create".into(), data: json!({"fields": ["A"]}) }
    }

    async fn told(db: &Db, account: AccountId) -> Vec<Option<(String, String)>> {
        let events = db::audit::of_account(&mut db.read().await.unwrap(), account, ALL).await.unwrap();
        events.into_iter().map(|event| event.outcome).collect()
    }

    #[tokio::test]
    async fn an_event_is_there_before_its_end() {
        let (_dir, db, account) = world().await;
        let begun = begin(&db, &actor(account.id), &deed(), NOW).await.unwrap();
        assert_eq!(told(&db, account.id).await, [None]);
        end(&db, begun, &Outcome::Succeeded, NOW).await;
        refused(&db, &actor(account.id), &deed(), "no".into(), NOW).await.unwrap();
        let ends = [("succeeded", ""), ("refused", "no")].map(|(word, why)| Some((word.into(), why.into())));
        assert_eq!(told(&db, account.id).await, ends);
    }

    #[tokio::test]
    async fn nothing_is_changed_or_removed_but_what_is_old() {
        let (_dir, db, account) = world().await;
        refused(&db, &actor(account.id), &deed(), "no".into(), NOW).await.unwrap();
        let later = NOW + Duration::days(10);
        refused(&db, &actor(account.id), &deed(), "no".into(), later).await.unwrap();
        for statement in [
            "DELETE FROM audit_events",
            "DELETE FROM audit_outcomes",
            "UPDATE audit_events SET door = 'api'",
            "UPDATE audit_outcomes SET detail = ''",
            "INSERT INTO audit_cuts (before, created_at) VALUES (1000, 1000)",
        ] {
            let mut tx = db.write().await.unwrap();
            assert!(sqlx::query(statement).execute(&mut *tx).await.is_err(), "{statement}");
        }
        assert_eq!(remove_old(&db, Duration::days(11), later).await.unwrap(), 0);
        assert_eq!(remove_old(&db, Duration::days(9), later).await.unwrap(), 1);
        assert_eq!(remove_old(&db, Duration::ZERO, later).await.unwrap(), 0, "a day is kept whatever is said");
        assert_eq!(told(&db, account.id).await.len(), 1);
        for statement in ["DELETE FROM audit_cuts", "DELETE FROM audit_events"] {
            let mut tx = db.write().await.unwrap();
            assert!(sqlx::query(statement).execute(&mut *tx).await.is_err(), "{statement}");
        }
    }
}
