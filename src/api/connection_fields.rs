//! The fields of a connection to a repository, checked.

use std::fmt::Display;

use super::error::ApiError;
use super::types::{self, ConnectionChange};
use crate::connections::{Change, NewConnection};
use crate::ctx::Ctx;
use crate::model::{Connection, DeployKey, FullName, KnownHosts, Provider, RemoteScheme, RemoteUrl, Secret, generate_deploy_key};
use crate::tell::{Place, TellError};

/// More is a mistake; headers have to take both.
const MAX_SECRET: usize = 4096;

pub(super) async fn check_new(ctx: &Ctx, new: types::NewConnection) -> Result<NewConnection, ApiError> {
    let provider: Provider = new.provider.as_deref().unwrap_or("github").parse()?;
    if !ctx.providers.knows(provider) {
        return Err(ApiError::InvalidParams(format!(
            "This hoist is not to be connected to {}. Ask its administrator for a section [{provider}] in hoist.toml.",
            provider.title()
        )));
    }
    let full_name = parse_full_name(provider, &new.repo)?;
    let deploy_key = choose_deploy_key(new.deploy_key, new.new_deploy_key, &full_name)?;
    let clone_url = match new.clone_url {
        Some(url) => url,
        None => usual_clone_url(provider, &full_name, deploy_key.as_ref())?,
    };
    let way = Way { clone_url: &clone_url, token: new.token.as_ref(), deploy_key: deploy_key.as_ref() };
    way.check(new.known_hosts.as_deref())?;
    let place = Place { provider, full_name, clone_url, token: new.token, is_proved: false };
    let is_proved = prove(ctx, &place, new.proof.as_ref()).await?;
    let Place { full_name, clone_url, token, .. } = place;
    Ok(NewConnection {
        provider,
        full_name,
        known_hosts: new.known_hosts,
        branch: new.branch.as_deref().map(str::parse).transpose()?,
        auto_deploy: new.auto_deploy.unwrap_or(false),
        wait_for_ci: new.wait_for_ci.unwrap_or(false),
        webhook_secret: new.webhook_secret.map(|secret| check_secret("webhook_secret", secret)).transpose()?,
        is_proved,
        token,
        deploy_key,
        clone_url,
    })
}

/// Of what is changed, only what is new can be wrong; of the old secrets nothing is known here.
pub(super) async fn check_change(ctx: &Ctx, before: &Connection, change: ConnectionChange) -> Result<Change, ApiError> {
    let clone_url = change.clone_url.as_deref().unwrap_or(&before.clone_url);
    let token = change.token.as_ref().and_then(Option::as_ref);
    let given = change.deploy_key.clone().flatten();
    let deploy_key = choose_deploy_key(given, change.new_deploy_key, &before.full_name)?;
    let known_hosts = change.known_hosts.as_ref().map_or(before.known_hosts.as_deref(), Option::as_deref);
    Way { clone_url, token, deploy_key: deploy_key.as_ref() }.check(known_hosts)?;
    let place = Place {
        provider: before.provider,
        full_name: before.full_name.clone(),
        clone_url: clone_url.to_owned(),
        token: token.cloned(),
        is_proved: false,
    };
    let is_proved = prove(ctx, &place, change.proof.as_ref()).await?;
    Ok(Change {
        clone_url: change.clone_url,
        known_hosts: change.known_hosts,
        branch: change.branch.as_deref().map(str::parse).transpose()?,
        auto_deploy: change.auto_deploy,
        wait_for_ci: change.wait_for_ci,
        webhook_secret: change.webhook_secret.map(|secret| check_secret("webhook_secret", secret)).transpose()?,
        proved: is_proved.then(|| (before.id, before.full_name.clone())),
        token: change.token,
        // None that is new, and `null` that was given, takes it away.
        deploy_key: deploy_key.map(Some).or(change.deploy_key),
    })
}

/// The key that was given, or a new one, which says what it is for.
pub(super) fn choose_deploy_key(
    given: Option<Secret>,
    new: Option<bool>,
    what: &impl Display,
) -> Result<Option<Secret>, ApiError> {
    match (given, new.unwrap_or(false)) {
        (Some(_), true) => Err(ApiError::InvalidParams("Give a `deploy_key`, or have hoist make one: not both.".into())),
        (None, true) => Ok(Some(generate_deploy_key(&format!("hoist, for {what}")))),
        (given, false) => Ok(given),
    }
}

/// Has GitHub say, where hoist is an App there, whether whoever connects a repository may read it: the App may read more than
/// each of them. Tells whether that was shown; nobody has to, but then the App does not act for the connection.
async fn prove(ctx: &Ctx, place: &Place, proof: Option<&Secret>) -> Result<bool, ApiError> {
    let has_app = ctx.providers.has_app_at(place);
    let token = match (&place.token, proof) {
        (Some(_), Some(_)) => {
            let why = "Give a `token`, which is kept, or a `proof`, which is not: each shows that you may read the repository.";
            return Err(ApiError::InvalidParams(why.into()));
        }
        (None, Some(_)) if !has_app => {
            let why = "A `proof` is of no use: hoist is no GitHub App there. Give a `token`, which is kept, or a `deploy_key`.";
            return Err(ApiError::InvalidParams(why.into()));
        }
        (Some(token), None) | (None, Some(token)) if has_app => token,
        _ => return Ok(false),
    };
    let field = if proof.is_some() { "proof" } else { "token" };
    check_secret(field, token.clone())?;
    let repo = &place.full_name;
    match ctx.providers.prove(place, token).await {
        Ok(()) => Ok(true),
        Err(TellError::Refused { status: status @ (401 | 403 | 404), message, .. }) => Err(ApiError::InvalidParams(format!(
            "GitHub does not show the code of {repo} to whoever has this `{field}` (it answered {status}: {message}). Give one that \
             may read the contents of the repository."
        ))),
        Err(error) => {
            let why = format!("GitHub can't be asked now whether you may read {repo}: {error}. Try again in a minute.");
            Err(ApiError::Unavailable(why))
        }
    }
}

/// Only GitLab's groups nest.
fn parse_full_name(provider: Provider, text: &str) -> Result<FullName, ApiError> {
    let full_name: FullName = text.parse()?;
    if provider != Provider::GitLab && full_name.as_str().split('/').count() != 2 {
        return Err(ApiError::InvalidParams(format!("`{full_name}` has too many parts: name the repository as OWNER/NAME.")));
    }
    Ok(full_name)
}

fn usual_clone_url(provider: Provider, full_name: &FullName, deploy_key: Option<&Secret>) -> Result<String, ApiError> {
    let missing = || {
        let title = provider.title();
        ApiError::InvalidParams(format!("`clone_url` is missing: there are many servers of {title}, so say where to fetch from."))
    };
    let host = provider.usual_host().ok_or_else(missing)?;
    Ok(match deploy_key {
        Some(_) => format!("git@{host}:{full_name}.git"),
        None => format!("https://{host}/{full_name}.git"),
    })
}

/// How hoist gets at a repository.
struct Way<'a> {
    clone_url: &'a str,
    token: Option<&'a Secret>,
    deploy_key: Option<&'a Secret>,
}

impl Way<'_> {
    fn check(&self, known_hosts: Option<&str>) -> Result<(), ApiError> {
        let url: RemoteUrl = self.clone_url.parse()?;
        let known_hosts: KnownHosts = known_hosts.unwrap_or_default().parse()?;
        if let Some(token) = self.token {
            check_secret("token", token.clone())?;
        }
        let is_ssh = url.scheme() == RemoteScheme::Ssh;
        if is_ssh {
            check_host(url.host(), url.port(), &known_hosts)?;
        }
        match self.deploy_key {
            Some(_) if !is_ssh => Err(ApiError::InvalidParams(
                "A deploy key is of use over SSH only: give a `clone_url` such as git@HOST:OWNER/NAME.git, or a `token`.".into(),
            )),
            Some(key) => {
                DeployKey::new(key.clone(), known_hosts)?;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// Whether it is known by which keys an SSH host is known.
pub(super) fn check_host(host: &str, port: Option<u16>, known_hosts: &KnownHosts) -> Result<(), ApiError> {
    if known_hosts.keys_of(host, port).is_empty() {
        return Err(ApiError::InvalidParams(format!(
            "hoist does not know the SSH keys of {host}: give `known_hosts`, as printed by `ssh-keyscan {host}` and compared \
             with what its administrator says."
        )));
    }
    Ok(())
}

/// A text that is sent as a header.
pub(super) fn check_secret(field: &'static str, text: Secret) -> Result<Secret, ApiError> {
    let fits = (1..=MAX_SECRET).contains(&text.expose().len()) && text.expose().chars().all(|c| matches!(c, '!'..='~'));
    let refuse =
        || ApiError::InvalidParams(format!("`{field}` must be 1 to {MAX_SECRET} printable ASCII characters without spaces."));
    fits.then_some(text).ok_or_else(refuse)
}
