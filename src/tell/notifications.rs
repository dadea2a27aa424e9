//! Adding and removing who is told of an app's releases.

use super::email;
use crate::db::{self, Db, DbError};
use crate::model::{App, Invalid, Notification, NotificationId, Recipient};

/// Why a notification was not added.
#[derive(Debug, thiserror::Error)]
pub enum NotificationError {
    #[error("the app has {0} notifications already")]
    TooMany(usize),
    #[error(transparent)]
    Address(#[from] Invalid),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Adds a notification to an app that has fewer than `most`.
pub async fn add_notification(db: &Db, notification: &Notification, most: usize) -> Result<(), NotificationError> {
    if let Recipient::Email(to) = &notification.to {
        email::address(to)?;
    }
    let mut tx = db.write().await?;
    if db::notifications::list_of(&mut tx, notification.app).await?.len() >= most {
        return Err(NotificationError::TooMany(most));
    }
    db::notifications::insert(&mut tx, notification).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}

/// Removes a notification; `None` when the app has no such.
pub async fn remove_notification(db: &Db, app: &App, id: NotificationId) -> Result<Option<Notification>, DbError> {
    let mut tx = db.write().await?;
    let found = db::notifications::get(&mut tx, id).await?.filter(|notification| notification.app == app.id);
    let Some(notification) = found else { return Ok(None) };
    db::notifications::delete(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Some(notification))
}
