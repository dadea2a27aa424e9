//! A connection's repository as a source: where it is, and what lets hoist in.

use super::Hitch;
use crate::build::{RemoteSource, Source};
use crate::ctx::Ctx;
use crate::model::{
    App, BranchName, CommitId, Connection, ConnectionSecrets, Credentials, DeployKey, Invalid, Provider, Remote, RemoteCommit,
    RemoteScheme, RemoteUrl, Secret, Writer,
};
use crate::tell::{Place, TellError};

/// The repository, and how hoist gets in: with the deploy key over SSH, else with a token, if there is one.
pub(in crate::deploy) async fn remote_of(
    ctx: &Ctx,
    connection: &Connection,
    secrets: ConnectionSecrets,
) -> Result<Remote, Hitch> {
    let wrong = |Invalid(why): Invalid| Hitch::Final(why);
    let url: RemoteUrl = connection.clone_url.parse().map_err(wrong)?;
    if url.scheme() == RemoteScheme::Ssh {
        let missing =
            || Hitch::Final("there is no deploy key: give the connection one (hoist github:update --deploy-key FILE)".into());
        let known_hosts = connection.known_hosts.as_deref().unwrap_or_default().parse().map_err(wrong)?;
        let key = DeployKey::new(secrets.deploy_key.ok_or_else(missing)?, known_hosts).map_err(wrong)?;
        return Ok(Remote { url, credentials: Credentials::Key(key) });
    }
    let token = match secrets.token {
        Some(token) => Some(token),
        None if is_the_apps(ctx, connection, &url) => app_token(ctx, connection, secrets).await?,
        None => None,
    };
    Ok(Remote { url, credentials: token.map_or(Credentials::None, Credentials::Token) })
}

pub(super) fn remote_source(
    ctx: &Ctx,
    app: &App,
    remote: Remote,
    commit: CommitId,
    branch: &BranchName,
) -> Result<Source, Hitch> {
    let repo = ctx.repo(app.id).map_err(|error| {
        tracing::error!(app.id = %app.id, %error, "an app's repository can't be opened");
        Hitch::later("hoist could not open the app's repository")
    })?;
    Ok(Source::Remote(RemoteSource {
        commit: RemoteCommit { remote, id: commit, on: Some(branch.ref_name()), writer: Writer::Member },
        repo,
    }))
}

/// Whether a token of the GitHub App's may be shown to whom the URL names. A connection may name any URL; but the token opens
/// the repository of the connection's name, and is for nobody else than its own GitHub.
fn is_the_apps(ctx: &Ctx, connection: &Connection, url: &RemoteUrl) -> bool {
    let github = ctx.config.github.as_ref();
    if connection.provider != Provider::GitHub || github.is_none_or(|github| github.app_id.is_none()) {
        return false;
    }
    let api = github.and_then(|github| github.api_url.as_deref()).and_then(|api| api.parse::<RemoteUrl>().ok());
    let is_its_host = match api {
        Some(api) if api.host() != "api.github.com" => url.is_same_server(&api),
        _ => url.scheme() == RemoteScheme::Https && url.host() == "github.com" && url.port().is_none(),
    };
    let path = url.path().trim_matches('/');
    is_its_host && path.strip_suffix(".git").unwrap_or(path).eq_ignore_ascii_case(connection.full_name.as_str())
}

async fn app_token(ctx: &Ctx, connection: &Connection, secrets: ConnectionSecrets) -> Result<Option<Secret>, Hitch> {
    let asked = ctx.providers.token(&Place::new(connection.clone(), secrets)).await;
    asked.map_err(|error| match error {
        TellError::Db(error) => Hitch::Db(error),
        error @ TellError::Limited { until, .. } => Hitch::NotBefore { why: error.to_string(), until },
        // The App is not installed there; the repository may be public all the same, but then nobody needs the App.
        error @ TellError::Refused { status: 400..=499, .. } => Hitch::Final(error.to_string()),
        error => Hitch::later(error),
    })
}
