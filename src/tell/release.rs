//! Telling who asked for it how a release has ended.

use serde::Serialize;

use super::email::{self, Letter};
use super::worker::Teller;
use super::{RunError, TellError};
use crate::db::{self, DbError};
use crate::fetch::{BadUrl, Post, Url, post};
use crate::model::{Account, App, Notification, Recipient, Release, ReleaseStatus, ReleaseTelling};

/// A command that somebody asked for, and the release that it is run for.
#[derive(Debug)]
pub struct Hook {
    pub app: App,
    /// Who asked for it.
    pub by: Account,
    pub command: String,
    pub release: Release,
}

/// What a URL is told: the fields of Heroku's deploy hooks (<https://devcenter.heroku.com/articles/deploy-hooks>), and
/// `text`, which chats show.
#[derive(Debug, Serialize)]
struct Told<'a> {
    app: &'a str,
    app_uuid: String,
    /// Who has released.
    user: &'a str,
    /// Where the app answers; empty if hoist does not know.
    url: String,
    head: &'a str,
    head_long: &'a str,
    release: String,
    description: &'a str,
    /// `succeeded` or `failed`.
    status: &'static str,
    text: String,
}

/// Tells one. A notification that is gone meanwhile is told nothing; a command is run by `run`.
pub(super) async fn tell_release<R, F>(teller: &Teller, telling: &ReleaseTelling, run: R) -> Result<(), TellError>
where
    R: Fn(Hook) -> F,
    F: Future<Output = Result<(), RunError>>,
{
    let Some((notification, app, release)) = find(teller, telling).await? else { return Ok(()) };
    let (by, user) = {
        let mut db = teller.db.read().await?;
        (db::accounts::get(&mut db, notification.by).await?, db::accounts::get(&mut db, release.by).await?)
    };
    match notification.to {
        Recipient::Command(command) => run(Hook { app, by, command, release }).await.map_err(TellError::Run),
        Recipient::Email(to) => {
            let server = teller.mail.as_ref().ok_or(TellError::NoMailServer)?;
            // Whoever was taken off the app, or whose domain was, gets no more letters.
            if !email::may_write(&mut *teller.db.read().await?, &app, &to, &server.allow).await? {
                return Err(TellError::Stranger(to));
            }
            email::send(server, &to, letter(telling, &app, &release, &user)).await
        }
        Recipient::Url(url) => {
            let app_url = teller.app_url.as_ref().map(|url| url.replace("{app}", app.name.as_str())).unwrap_or_default();
            post_to(teller, &url, &told(telling, &app, &release, &user, app_url)).await
        }
    }
}

async fn find(teller: &Teller, telling: &ReleaseTelling) -> Result<Option<(Notification, App, Release)>, DbError> {
    let mut db = teller.db.read().await?;
    let Some(notification) = db::notifications::get(&mut db, telling.notification).await? else { return Ok(None) };
    let Some(app) = db::apps::by_id(&mut db, notification.app).await? else { return Ok(None) };
    let release = db::releases::by_id(&mut db, app.id, telling.release).await?;
    Ok(release.map(|release| (notification, app, release)))
}

async fn post_to(teller: &Teller, url: &str, told: &Told<'_>) -> Result<(), TellError> {
    let url: Url = url.parse().map_err(|error: BadUrl| TellError::Url("the notification's".into(), error))?;
    let body = serde_json::to_vec(told).expect("what is told is JSON");
    let request = Post { headers: vec![("content-type", "application/json".to_owned())], body };
    let status = post(&url, request, teller.allow_networks.clone(), teller.pace.attempt_time).await?;
    if (200..300).contains(&status) {
        return Ok(());
    }
    // Not the whole URL, which may hold a secret.
    Err(TellError::Refused { what: format!("the notification to {}", url.host()), status, message: String::new() })
}

fn told<'a>(telling: &ReleaseTelling, app: &'a App, release: &'a Release, user: &'a Account, url: String) -> Told<'a> {
    let head_long = release.commit.as_ref().map_or("", |commit| commit.as_str());
    Told {
        app: app.name.as_str(),
        app_uuid: app.id.to_string(),
        user: user.email.as_str(),
        url,
        head: release.commit.as_ref().map_or("", |commit| commit.short()),
        head_long,
        release: release.version.to_string(),
        description: &release.description,
        status: telling.status.as_str(),
        text: sentence(telling, app, release, user),
    }
}

fn letter(telling: &ReleaseTelling, app: &App, release: &Release, user: &Account) -> Letter {
    let outcome = if telling.status == ReleaseStatus::Succeeded { "" } else { " failed" };
    Letter {
        id: format!("{}.{}.{}", telling.notification, telling.release, telling.status.as_str()),
        subject: format!("[{}] {}{outcome}: {}", app.name, release.version, release.description),
        text: format!("{}\n", sentence(telling, app, release, user)),
    }
}

fn sentence(telling: &ReleaseTelling, app: &App, release: &Release, user: &Account) -> String {
    let (version, description, user) = (release.version, &release.description, &user.email);
    match telling.status {
        ReleaseStatus::Succeeded => format!("{user} released {} {version}: {description}", app.name),
        _ => format!("The release command of {} {version} by {user} failed: {description}", app.name),
    }
}
