//! What hoist shows other git servers for the submodules of apps' code. Heroku fetches only what is public.

use axum::Json;
use axum::extract::State;

use super::answer::Created;
use super::connection_fields::{check_host, check_secret, choose_deploy_key};
use super::error::ApiError;
use super::extract::{Body, Configure, InApp, Named};
use super::range::{Page, Range};
use super::releases::users;
use super::types::{self, NamedRef, NewGitCredential, Timestamp, UserRef};
use crate::connections::{add_git_credential, remove_git_credential};
use crate::ctx::Ctx;
use crate::db;
use crate::model::{
    App, DeployKey, GitCredential, GitCredentialId, GitCredentialKind, KnownHosts, RemoteScheme, RepositoryPrefix, Secret,
    public_deploy_key,
};

/// `GET /apps/{app}/git-credentials`
pub(super) async fn list(
    State(ctx): State<Ctx>,
    at: InApp<Configure>,
    range: Range,
) -> Result<Page<types::GitCredential>, ApiError> {
    let mut db = ctx.db.read().await?;
    let credentials = db::git_credentials::list_of(&mut db, at.app.id).await?;
    let users = users(&mut db, credentials.iter().map(|credential| credential.by)).await?;
    let describe = |credential: GitCredential| describe(&at.app, users[&credential.by].clone(), credential);
    let credentials = credentials.into_iter().map(describe).collect();
    range.cut(credentials, &[("id", |credential: &types::GitCredential| credential.id.to_string())])
}

/// `POST /apps/{app}/git-credentials`
pub(super) async fn create(
    State(ctx): State<Ctx>,
    at: InApp<Configure>,
    Body(new): Body<NewGitCredential>,
) -> Result<Created<types::GitCredential>, ApiError> {
    let (url, kind, secret) = check(&at.app, new)?;
    let (id, created_at) = (GitCredentialId::new(), ctx.now());
    let credential = GitCredential { id, app: at.app.id, by: at.by.id, url, kind, created_at, last_used_at: None };
    add_git_credential(&ctx.db, &credential, &secret).await?;
    Ok(Created(describe(&at.app, (&at.by).into(), credential)))
}

/// `DELETE /apps/{app}/git-credentials/{credential}`
pub(super) async fn destroy(
    State(ctx): State<Ctx>,
    at: InApp<Configure>,
    Named(credential): Named,
) -> Result<Json<types::GitCredential>, ApiError> {
    let missing = || ApiError::NotFound("git credential");
    let id = credential.parse().map_err(|_| missing())?;
    let credential = remove_git_credential(&ctx.db, at.app.id, id).await?.ok_or_else(missing)?;
    let user = (&db::accounts::get(&mut *ctx.db.read().await?, credential.by).await?).into();
    Ok(Json(describe(&at.app, user, credential)))
}

/// The fields, checked.
fn check(app: &App, new: NewGitCredential) -> Result<(RepositoryPrefix, GitCredentialKind, Secret), ApiError> {
    let url: RepositoryPrefix = new.url.parse()?;
    let deploy_key = choose_deploy_key(new.deploy_key, new.new_deploy_key, &app.name)?;
    let (kind, secret) = match (new.token, deploy_key) {
        (Some(token), None) if new.known_hosts.is_none() => (check_token(&url, new.username, &token)?, token),
        (None, Some(key)) if new.username.is_none() => (check_key(&url, new.known_hosts, &key)?, key),
        _ => {
            let why = "Give a `token`, with a `username` if the server wants one, or a `deploy_key` or `new_deploy_key`, with \
                       `known_hosts` if hoist does not know the host.";
            return Err(ApiError::InvalidParams(why.into()));
        }
    };
    Ok((url, kind, secret))
}

fn check_token(url: &RepositoryPrefix, username: Option<String>, token: &Secret) -> Result<GitCredentialKind, ApiError> {
    if url.scheme() == RemoteScheme::Ssh || url.is_overheard() {
        let why = "A token is shown over HTTPS only: give a `url` such as https://HOST/OWNER, or a `deploy_key` for SSH.";
        return Err(ApiError::InvalidParams(why.into()));
    }
    check_secret("token", token.clone())?;
    if let Some(username) = &username {
        check_secret("username", Secret::new(username))?;
        // It ends the user name (RFC 7617, 2).
        if username.contains(':') {
            return Err(ApiError::InvalidParams("The `username` can't have a colon in it.".into()));
        }
    }
    Ok(GitCredentialKind::Token { username })
}

fn check_key(url: &RepositoryPrefix, known_hosts: Option<String>, key: &Secret) -> Result<GitCredentialKind, ApiError> {
    if url.scheme() != RemoteScheme::Ssh {
        let why = "A deploy key is of use over SSH only: give a `url` such as git@HOST:OWNER, or a `token`.";
        return Err(ApiError::InvalidParams(why.into()));
    }
    let hosts: KnownHosts = known_hosts.as_deref().unwrap_or_default().parse()?;
    check_host(url.host(), url.port(), &hosts)?;
    DeployKey::new(key.clone(), hosts)?;
    Ok(GitCredentialKind::DeployKey { public_key: public_deploy_key(key)?, known_hosts })
}

fn describe(app: &App, user: UserRef, credential: GitCredential) -> types::GitCredential {
    let (kind, username, deploy_public_key, known_hosts) = match credential.kind {
        GitCredentialKind::Token { username } => ("token", username, None, None),
        GitCredentialKind::DeployKey { public_key, known_hosts } => ("deploy_key", None, Some(public_key), known_hosts),
    };
    types::GitCredential {
        app: NamedRef { id: app.id.to_string(), name: app.name.to_string() },
        created_at: Timestamp(credential.created_at),
        deploy_public_key,
        id: credential.id,
        kind: kind.to_owned(),
        known_hosts,
        last_used_at: credential.last_used_at.map(Timestamp),
        url: credential.url.to_string(),
        user,
        username,
    }
}
