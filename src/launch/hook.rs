//! One attempt of a delivery (heroku-api 6).

use std::panic::AssertUnwindSafe;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::FutureExt as _;
use ring::hmac;
use time::OffsetDateTime;

use super::{Occasion, RenderError, Settings};
use crate::db::webhook_deliveries::{Attempt, Open};
use crate::db::webhooks::Credentials;
use crate::db::{self, Db, DbError};
use crate::fetch::{self, FetchError, Post, Url};
use crate::model::{AttemptId, Secret};

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
enum HookError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the webhook's URL is not one: {0}")]
    Url(#[from] fetch::BadUrl),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("the body can't be made")]
    Render(#[source] RenderError),
}

impl HookError {
    /// The word that users see.
    fn class(&self) -> &'static str {
        match self {
            Self::Fetch(FetchError::NoHost(_)) => "HostNotFound",
            Self::Fetch(FetchError::Private(_)) => "PrivateAddress",
            Self::Fetch(FetchError::TimedOut) => "Timeout",
            Self::Fetch(_) => "ConnectionFailed",
            Self::Url(_) => "BadUrl",
            Self::Db(_) | Self::Render(_) => "InternalError",
        }
    }
}

/// Makes the attempt, whatever comes of it; `None` when the event, or the webhook, is gone meanwhile.
pub(super) async fn attempt<F>(
    db: &Db,
    settings: &Settings,
    open: &Open,
    render: impl FnOnce(Occasion) -> F,
    now: fn() -> OffsetDateTime,
) -> Option<Attempt>
where
    F: Future<Output = Result<Vec<u8>, RenderError>>,
{
    let (id, started_at) = (AttemptId::new(), now());
    let answer = post(db, settings, open, id, render).await.transpose()?;
    if let Err(error @ (HookError::Db(_) | HookError::Render(_))) = &answer {
        let error: &dyn std::error::Error = error;
        tracing::error!(delivery.id = %open.id, webhook.id = %open.webhook, error, "a webhook's delivery could not be made");
    }
    Some(Attempt {
        id,
        code: answer.as_ref().ok().copied(),
        has_succeeded: answer.as_ref().is_ok_and(|code| (200..300).contains(code)),
        error_class: answer.err().map(|error| error.class().to_owned()),
        started_at,
        ended_at: now(),
    })
}

/// The status of the receiver's answer.
async fn post<F>(
    db: &Db,
    settings: &Settings,
    open: &Open,
    attempt: AttemptId,
    render: impl FnOnce(Occasion) -> F,
) -> Result<Option<u16>, HookError>
where
    F: Future<Output = Result<Vec<u8>, RenderError>>,
{
    let url: Url = open.url.parse()?;
    let mut read = db.read().await?;
    let Some(event) = db::events::by_number(&mut read, open.event_number).await? else { return Ok(None) };
    let Some(credentials) = db::webhooks::credentials(&mut read, db.cipher(), open.webhook).await? else { return Ok(None) };
    drop(read);
    let occasion = Occasion { event, webhook: open.webhook, delivery: open.id, attempt };
    // A body that can't be made must not keep all others from being sent.
    let rendered = AssertUnwindSafe(async { render(occasion).await }).catch_unwind().await;
    let body = rendered.unwrap_or_else(|_panic| Err("it panicked".into())).map_err(HookError::Render)?;
    let request = Post { headers: headers(&credentials, &body), body };
    Ok(Some(fetch::post(&url, request, settings.allow_networks.clone(), settings.attempt_time).await?))
}

fn headers(credentials: &Credentials, body: &[u8]) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("heroku-webhook-hmac-sha256", signature(&credentials.secret, body)),
    ];
    if let Some(authorization) = &credentials.authorization {
        headers.push(("authorization", authorization.expose().to_owned()));
    }
    headers
}

/// Of the very bytes that are sent.
fn signature(secret: &Secret, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    BASE64_STANDARD.encode(hmac::sign(&key, body))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{App, AppId, DeliveryId, Level, Webhook, WebhookId};

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    /// A delivery of an app's first event.
    async fn open(db: &Db) -> Open {
        let mut tx = db.write().await.unwrap();
        let owner = db::accounts::insert(&mut tx, &"a@example.com".parse().unwrap(), NOW).await.unwrap().id;
        let (name, stack) = ("shop".parse().unwrap(), "debian-13".parse().unwrap());
        let app = App { id: AppId::new(), name, owner, stack, created_at: NOW, updated_at: NOW };
        db::apps::insert(&mut tx, &app).await.unwrap();
        let (url, level) = ("http://192.0.2.1/".to_owned(), Level::Sync);
        let (id, include) = (WebhookId::new(), Vec::new());
        let webhook = Webhook { id, app: app.id, url: url.clone(), include, level, created_at: NOW, updated_at: NOW };
        let credentials = Credentials { secret: Secret::new("sesame"), authorization: None };
        db::webhooks::insert(&mut tx, db.cipher(), &webhook, &credentials).await.unwrap();
        tx.commit().await.unwrap();
        Open {
            id: DeliveryId::new(),
            webhook: webhook.id,
            app: app.id,
            event_number: 1,
            level,
            url,
            attempts: 0,
            next_attempt_at: NOW,
            created_at: NOW,
            app_is_destroyed: false,
        }
    }

    #[expect(clippy::panic, reason = "what is tested")]
    async fn broken(_: Occasion) -> Result<Vec<u8>, RenderError> {
        panic!("for the test")
    }

    #[tokio::test]
    async fn a_body_whose_making_panics_is_an_attempt_that_failed() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path()).await.unwrap();
        let open = open(&db).await;
        let time = Duration::from_secs(1);
        let settings = Settings {
            allow_networks: Vec::new(),
            concurrent: 1,
            attempt_time: time,
            first_wait: time,
            give_up_after: time,
            event_age: time,
            events_per_app: 1,
        };
        let attempt = attempt(&db, &settings, &open, broken, || NOW).await.unwrap();
        assert_eq!((attempt.has_succeeded, attempt.error_class.as_deref()), (false, Some("InternalError")));
    }

    #[test]
    fn the_signature_is_that_of_rfc_4231() {
        // Test case 2.
        let signature = signature(&Secret::new("Jefe"), b"what do ya want for nothing?");
        let hex = hex::encode(BASE64_STANDARD.decode(signature).unwrap());
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
