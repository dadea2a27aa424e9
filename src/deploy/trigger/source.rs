//! A connection's repository as a source: where it is, and what lets hoist in.

use super::Hitch;
use crate::build::{RemoteSource, Source};
use crate::ctx::Ctx;
use crate::model::{
    App, BranchName, CommitId, Connection, ConnectionSecrets, Credentials, DeployKey, Invalid, Provider, Remote, RemoteCommit,
    RemoteScheme, RemoteUrl, RepositoryPrefix, Secret, Writer,
};
use crate::tell::{GITHUB_API, Place, TellError};

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
    let github = ctx.config.github.as_ref().filter(|github| github.app_id.is_some());
    let Some(github) = github.filter(|_| connection.provider == Provider::GitHub) else { return false };
    let server = git_server(github.api_url.as_deref().unwrap_or(GITHUB_API));
    let path = url.path().trim_matches('/');
    server.is_some_and(|server| server.covers(url))
        && path.strip_suffix(".git").unwrap_or(path).eq_ignore_ascii_case(connection.full_name.as_str())
}

/// The repositories of the GitHub whose API is there: on the host without its `api.`, as with github.com and what GitHub hosts
/// for single companies at ghe.com, or on the very same, below which an Enterprise Server has its API
/// ("Getting started with the REST API", base path).
fn git_server(api: &str) -> Option<RepositoryPrefix> {
    let api = api.trim_end_matches('/');
    let server = match api.split_once("://api.") {
        Some((scheme, host)) if !host.contains('/') => format!("{scheme}://{host}"),
        _ => api.strip_suffix("/api/v3").unwrap_or(api).to_owned(),
    };
    server.parse().ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apps_token_is_for_its_own_github() {
        let is_there = |api: &str, url: &str| git_server(api).unwrap().covers(&url.parse().unwrap());
        for (api, url) in [
            (GITHUB_API, "https://github.com/octo/shop.git"),
            ("https://api.github.com/", "https://github.com/octo/shop"),
            ("https://api.corp.ghe.com", "https://corp.ghe.com/octo/shop"),
            ("https://git.corp.example/api/v3", "https://git.corp.example/octo/shop"),
            ("https://api.corp.example/api/v3/", "https://api.corp.example/octo/shop"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000/octo/shop"),
        ] {
            assert!(is_there(api, url), "{api} {url}");
        }
        for (api, url) in [
            (GITHUB_API, "http://github.com/octo/shop"),
            (GITHUB_API, "https://github.com:444/octo/shop"),
            (GITHUB_API, "https://api.github.com/octo/shop"),
            (GITHUB_API, "https://github.com.evil.example/octo/shop"),
            ("https://git.corp.example/api/v3", "https://github.com/octo/shop"),
            ("https://git.corp.example/api/v3", "https://evil.example/octo/shop"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/octo/shop"),
        ] {
            assert!(!is_there(api, url), "{api} {url}");
        }
    }
}
