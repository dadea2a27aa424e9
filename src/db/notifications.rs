//! Who is told of apps' releases; `record` makes a telling for each of a release that has succeeded or failed.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::events::NewEvent;
use super::{Connection, DbError, row, tellings};
use crate::model::{AppId, Facts, Invalid, Notification, NotificationId, Recipient, ReleaseStatus, ReleaseTelling, Telling};

/// Adds a notification.
pub async fn insert(db: &mut Connection, notification: &Notification) -> Result<(), DbError> {
    sqlx::query("INSERT INTO notifications (id, app_id, account_id, kind, target, created_at) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(notification.id.to_string())
        .bind(notification.app.to_string())
        .bind(notification.by.to_string())
        .bind(notification.to.kind())
        .bind(notification.to.target())
        .bind(row::millis(notification.created_at))
        .execute(db)
        .await?;
    Ok(())
}

/// Removes a notification. What is on its way is told to nobody then.
pub async fn delete(db: &mut Connection, id: NotificationId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM notifications WHERE id = ?").bind(id.to_string()).execute(db).await?;
    Ok(())
}

/// Removes all of an app's.
pub(super) async fn delete_of(db: &mut Connection, app: AppId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM notifications WHERE app_id = ?").bind(app.to_string()).execute(db).await?;
    Ok(())
}

/// Lists an app's notifications, oldest first.
pub async fn list_of(db: &mut Connection, app: AppId) -> Result<Vec<Notification>, DbError> {
    let rows = sqlx::query("SELECT * FROM notifications WHERE app_id = ? ORDER BY created_at, id").bind(app.to_string());
    rows.fetch_all(db).await?.iter().map(notification).collect()
}

/// Finds a notification.
pub async fn get(db: &mut Connection, id: NotificationId) -> Result<Option<Notification>, DbError> {
    let query = sqlx::query("SELECT * FROM notifications WHERE id = ?").bind(id.to_string());
    query.fetch_optional(db).await?.as_ref().map(notification).transpose()
}

/// Has everybody told who asked to be told of an app's releases. A command is run in a release that has succeeded alone.
pub(super) async fn record(db: &mut Connection, new: &NewEvent) -> Result<(), DbError> {
    let Facts::Release { id, status, .. } = new.facts else { return Ok(()) };
    if !matches!(status, ReleaseStatus::Succeeded | ReleaseStatus::Failed) {
        return Ok(());
    }
    for notification in list_of(db, new.app).await? {
        if status == ReleaseStatus::Failed && matches!(notification.to, Recipient::Command(_)) {
            continue;
        }
        let telling = Telling::Release(ReleaseTelling { notification: notification.id, release: id, status });
        tellings::insert(db, &format!("notification {}", notification.id), &telling, new.at).await?;
    }
    Ok(())
}

fn notification(row: &SqliteRow) -> Result<Notification, DbError> {
    let (kind, target): (String, String) = (row.try_get("kind")?, row.try_get("target")?);
    let bad = |Invalid(why)| DbError::Corrupt { what: "notification", why };
    Ok(Notification {
        id: row::text(row, "id")?,
        app: row::text(row, "app_id")?,
        by: row::text(row, "account_id")?,
        to: Recipient::parse(&kind, target).map_err(bad)?,
        created_at: row::time(row, "created_at")?,
    })
}
