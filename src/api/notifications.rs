//! Who is told of apps' releases. Heroku has add-ons for it.

use axum::Json;
use axum::extract::State;

use super::answer::Created;
use super::dynos::parse_command;
use super::error::ApiError;
use super::extract::{Body, InApp, Named, Operate, See};
use super::range::{Page, Range};
use super::types::{self, NamedRef, NewNotification, Timestamp};
use super::webhooks::parse_url;
use crate::ctx::Ctx;
use crate::db;
use crate::model::{App, Notification, NotificationId, Recipient};
use crate::tell::{self, NotificationBounds};

/// `GET /apps/{app}/notifications`
pub(super) async fn list(State(ctx): State<Ctx>, at: InApp<See>, range: Range) -> Result<Page<types::Notification>, ApiError> {
    let notifications = db::notifications::list_of(&mut *ctx.db.read().await?, at.app.id).await?;
    let notifications = notifications.iter().map(|notification| describe(&at.app, notification)).collect();
    range.cut(notifications, &[("id", |notification: &types::Notification| notification.id.to_string())])
}

/// `POST /apps/{app}/notifications`
pub(super) async fn create(
    State(ctx): State<Ctx>,
    at: InApp<Operate>,
    Body(new): Body<NewNotification>,
) -> Result<Created<types::Notification>, ApiError> {
    let to = match Recipient::parse(&new.kind, new.target)? {
        Recipient::Command(command) => Recipient::Command(parse_command(command)?),
        Recipient::Url(url) => Recipient::Url(parse_url(&url)?.as_str().to_owned()),
        Recipient::Email(_) if ctx.config.smtp.is_none() => {
            let why = "This hoist sends no e-mail. Whoever runs it can name a mail server in the section [smtp] of hoist.toml.";
            return Err(ApiError::InvalidParams(why.into()));
        }
        email @ Recipient::Email(_) => email,
    };
    let notification = Notification { id: NotificationId::new(), app: at.app.id, by: at.by.id, to, created_at: ctx.now() };
    let mail = ctx.config.smtp.as_ref().map_or(&[][..], |smtp| &smtp.allow);
    let bounds = NotificationBounds { most: ctx.config.webhooks.per_app, mail };
    tell::add_notification(&ctx.db, &at.app, &notification, bounds).await?;
    Ok(Created(describe(&at.app, &notification)))
}

/// `DELETE /apps/{app}/notifications/{notification}`
pub(super) async fn destroy(
    State(ctx): State<Ctx>,
    at: InApp<Operate>,
    Named(notification): Named,
) -> Result<Json<types::Notification>, ApiError> {
    let id = notification.parse().map_err(|_| ApiError::NotFound("notification"))?;
    let notification = tell::remove_notification(&ctx.db, &at.app, id).await?;
    Ok(Json(describe(&at.app, &notification.ok_or(ApiError::NotFound("notification"))?)))
}

fn describe(app: &App, notification: &Notification) -> types::Notification {
    types::Notification {
        app: NamedRef { id: app.id.to_string(), name: app.name.to_string() },
        created_at: Timestamp(notification.created_at),
        id: notification.id,
        kind: notification.to.kind().into(),
        target: notification.to.target().to_owned(),
    }
}
