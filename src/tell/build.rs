//! Telling what has become of a build, in one of the forms in which it is told.

use super::{Place, TellError, Teller, ci, comment, gitea, github, gitlab};
use crate::db::{self, DbError};
use crate::model::{App, BuildId, BuildTelling, CommitId, Form, Progress, Provider};

/// How a commit stands, in the words that all providers have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    Success,
    /// The code's fault.
    Failure,
    /// Nobody's, or hoist's.
    Error,
}

/// What there is to tell.
#[derive(Debug, Clone)]
pub(super) struct News {
    pub(super) build: BuildId,
    pub(super) commit: CommitId,
    pub(super) pull_request: Option<u64>,
    pub(super) progress: Progress,
    /// The app's name.
    pub(super) app: String,
    /// The name of the status.
    pub(super) context: String,
    pub(super) description: String,
    pub(super) build_url: String,
    /// Where the app answers, if hoist knows.
    pub(super) app_url: Option<String>,
}

impl News {
    pub(super) fn state(&self) -> State {
        match self.progress {
            Progress::Building | Progress::Releasing(_) => State::Pending,
            Progress::Deployed(_) => State::Success,
            Progress::BuildFailed | Progress::ReleaseFailed(_) => State::Failure,
            Progress::BuildCancelled | Progress::Expired(_) | Progress::Destroyed => State::Error,
        }
    }

    pub(super) fn is_deployed(&self) -> bool {
        self.state() == State::Success
    }
}

/// Tells one thing. Whoever is told twice is told the same; a connection that is gone is told nothing.
pub(super) async fn tell_build(teller: &Teller, telling: &BuildTelling) -> Result<(), TellError> {
    let Some((app, place, news)) = find(teller, telling).await? else { return Ok(()) };
    if telling.form == Form::Deployment && place.provider != Provider::GitHub {
        // The others make deployments of their own pipelines only.
        return Ok(());
    }
    let api = teller.providers.api_with_token(&place).await?;
    let repository = &place.full_name;
    match (telling.form, place.provider) {
        (Form::Deployment, _) => github::set_deployment(&api, repository, &news).await,
        (Form::Status, Provider::GitHub) => github::set_status(&api, repository, &news).await,
        (Form::Status, Provider::GitLab) => gitlab::set_status(&api, repository, &news).await,
        (Form::Status, Provider::Gitea | Provider::Forgejo) => gitea::set_status(&api, repository, &news).await,
        (Form::Comment, provider) => {
            let Some(pull_request) = news.pull_request else { return Ok(()) };
            let mark = comment::mark(teller.db.cipher(), app.id, pull_request);
            comment::set_comment(&api, (provider, repository), pull_request, &mark, &news).await
        }
    }
}

async fn find(teller: &Teller, telling: &BuildTelling) -> Result<Option<(App, Place, News)>, DbError> {
    let mut db = teller.db.read().await?;
    let Some((app, origin)) = db::build_origins::get(&mut db, telling.build).await? else { return Ok(None) };
    let app = db::apps::get(&mut db, app).await?;
    let Some(connection) = db::connections::get(&mut db, origin.connection).await? else { return Ok(None) };
    let secrets = db::connections::secrets(&mut db, teller.db.cipher(), connection.id).await?;
    let Some(secrets) = secrets else { return Ok(None) };
    let place = Place::new(connection, secrets);
    let name = app.name.to_string();
    let news = News {
        build: telling.build,
        commit: origin.commit,
        pull_request: origin.pull_request,
        progress: telling.progress,
        context: ci::context(&name),
        description: telling.progress.words(),
        // Asks for a token: a build's log is not for everybody who may see the commit.
        build_url: format!("{}/apps/{name}/builds/{}", teller.public_url, telling.build),
        app_url: teller.app_url.as_ref().map(|url| url.replace("{app}", &name)),
        app: name,
    };
    Ok(Some((app, place, news)))
}
