//! Adding and removing who is told of an app's releases.

use super::email;
use crate::db::{self, Db, DbError};
use crate::model::{App, Email, Invalid, MailDomain, Notification, NotificationId, Recipient};

/// Why a notification was not added.
#[derive(Debug, thiserror::Error)]
pub enum NotificationError {
    #[error("the app has {0} notifications already")]
    TooMany(usize),
    #[error(transparent)]
    Address(#[from] Invalid),
    /// Who neither works on the app nor is at a domain that is allowed.
    #[error("{0} is nobody's who works on the app")]
    Stranger(Email),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// How many notifications an app may have, and to whom it may have hoist write.
#[derive(Debug, Clone, Copy)]
pub struct NotificationBounds<'a> {
    pub most: usize,
    pub mail: &'a [MailDomain],
}

/// Adds a notification to an app.
pub async fn add_notification(
    db: &Db,
    app: &App,
    notification: &Notification,
    bounds: NotificationBounds<'_>,
) -> Result<(), NotificationError> {
    let mut tx = db.write().await?;
    if let Recipient::Email(to) = &notification.to {
        email::address(to)?;
        if !email::may_write(&mut tx, app, to, bounds.mail).await? {
            return Err(NotificationError::Stranger(to.clone()));
        }
    }
    if db::notifications::list_of(&mut tx, notification.app).await?.len() >= bounds.most {
        return Err(NotificationError::TooMany(bounds.most));
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
