//! The token service: a client that shows its API token gets one for a few minutes and for what it is about to do, and need
//! not send the API token with every layer (Docker's "Token Authentication Specification").
//!
//! None is kept anywhere: a token is sealed under this installation's key, so that nobody can make or change one, and is as
//! good after a restart as before. It names the authorization that it was given for, and ends with that. What it is for is
//! no right: those are asked for with each request.

use std::fmt;
use std::str::FromStr;

use axum::Json;
use axum::extract::{RawQuery, State};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use url::form_urlencoded;

use super::caller::{ApiCaller, Caller};
use super::error::RegistryError;
use super::repository::may;
use crate::ctx::Ctx;
use crate::db::Cipher;
use crate::model::{Action, AuthorizationId, Invalid, Repository};

/// Clients ask for another one of themselves. The specification's least is 60 s.
const TIME: Duration = Duration::minutes(5);
/// Most things that one token can be for. A mount asks for two.
const MOST: usize = 32;
/// In which place alone a token can be opened.
const CONTEXT: &str = "registry token";

/// What a token is for: `repository:my-app/web:pull,push`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Access {
    kind: String,
    name: String,
    actions: Vec<String>,
}

/// What is sealed in a token.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Grant {
    pub(super) authorization: AuthorizationId,
    access: Vec<Access>,
    /// In seconds since 1970.
    expires_at: i64,
}

impl Access {
    /// To a repository.
    pub(super) fn to(repository: &Repository, actions: &[&str]) -> Self {
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        Self { kind: "repository".into(), name: repository.to_string(), actions }
    }

    /// To the list of repositories.
    pub(super) fn to_catalog() -> Self {
        Self { kind: "registry".into(), name: "catalog".into(), actions: vec!["*".into()] }
    }

    fn covers(&self, wanted: &Self) -> bool {
        let has = |action: &String| self.actions.contains(action) || self.actions.iter().any(|any| any == "*");
        self.kind == wanted.kind && self.name == wanted.name && wanted.actions.iter().all(has)
    }
}

impl FromStr for Access {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parts = text.split_once(':').and_then(|(kind, rest)| Some((kind, rest.rsplit_once(':')?)));
        let (kind, (name, actions)) = parts.ok_or_else(|| Invalid(format!("`{}` is no scope", text.escape_debug())))?;
        let actions = actions.split(',').filter(|action| !action.is_empty()).map(str::to_owned).collect();
        Ok(Self { kind: kind.to_owned(), name: name.to_owned(), actions })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.kind, self.name, self.actions.join(","))
    }
}

impl Grant {
    /// What the client shows.
    fn seal(&self, cipher: &Cipher) -> String {
        let plain = serde_json::to_vec(self).expect("names and numbers are JSON");
        BASE64_URL_SAFE_NO_PAD.encode(cipher.seal(CONTEXT, &plain))
    }

    /// What [`Grant::seal`] has made, if it has not expired.
    pub(super) fn open(cipher: &Cipher, token: &str, now: OffsetDateTime) -> Option<Self> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let grant: Self = serde_json::from_slice(&cipher.open_sealed(CONTEXT, &sealed)?).ok()?;
        (now.unix_timestamp() < grant.expires_at).then_some(grant)
    }

    pub(super) fn covers(&self, wanted: &Access) -> bool {
        self.access.iter().any(|access| access.covers(wanted))
    }
}

/// `GET /v2/token?service=…&scope=…`: a token for as much of the scopes as the caller may do.
pub(super) async fn issue(
    State(ctx): State<Ctx>,
    ApiCaller(caller): ApiCaller,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, RegistryError> {
    let query = query.unwrap_or_default();
    let scopes =
        form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "scope").map(|(_, value)| value.into_owned());
    // Some clients send several in one, with spaces between.
    let scopes: Vec<_> = scopes.flat_map(|value| value.split(' ').map(str::to_owned).collect::<Vec<_>>()).take(MOST).collect();
    let mut access = Vec::new();
    for wanted in scopes.iter().filter_map(|scope| scope.parse::<Access>().ok()) {
        access.extend(allowed(&ctx, &caller, wanted).await?);
    }
    let now = ctx.now();
    let grant = Grant { authorization: caller.authorization.id, access, expires_at: (now + TIME).unix_timestamp() };
    let token = grant.seal(ctx.db.cipher());
    let issued_at = now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).unwrap_or_default();
    // Old clients read `token`, new ones `access_token`.
    Ok(Json(json!({
        "token": token, "access_token": token, "expires_in": TIME.whole_seconds(), "issued_at": issued_at
    })))
}

/// As much of what is asked for as the caller may do.
async fn allowed(ctx: &Ctx, caller: &Caller, wanted: Access) -> Result<Option<Access>, RegistryError> {
    if wanted.kind == "registry" {
        return Ok(Some(wanted));
    }
    let Ok(repository) = wanted.name.parse::<Repository>() else { return Ok(None) };
    let mut actions = Vec::new();
    for (name, action) in [("pull", Action::ReadCode), ("push", Action::Deploy), ("delete", Action::Deploy)] {
        let is_wanted = wanted.actions.iter().any(|wanted| wanted == name || wanted == "*");
        if is_wanted {
            match may(ctx, caller, &repository, action).await {
                Ok(_) => actions.push(name.to_owned()),
                Err(error) if error.is_ours() => return Err(error),
                Err(_) => {}
            }
        }
    }
    Ok((!actions.is_empty()).then_some(Access { actions, ..wanted }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_and_written() {
        let web: Access = "repository:my-app/web:pull,push".parse().unwrap();
        assert_eq!(web, Access::to(&"my-app/web".parse().unwrap(), &["pull", "push"]));
        assert_eq!(web.to_string(), "repository:my-app/web:pull,push");
        assert_eq!("registry:catalog:*".parse(), Ok(Access::to_catalog()));
        assert!("repository".parse::<Access>().is_err() && "repository:x".parse::<Access>().is_err());
    }

    #[tokio::test]
    async fn a_token_is_for_what_it_was_given_for_and_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let db = crate::db::Db::open(dir.path()).await.unwrap();
        let access = |text: &str| text.parse::<Access>().unwrap();
        let grant = Grant {
            authorization: AuthorizationId::new(),
            access: vec![access("repository:my-app/web:pull"), access("repository:my-app/worker:pull,push")],
            expires_at: 300,
        };
        let token = grant.seal(db.cipher());
        let at = |seconds| Grant::open(db.cipher(), &token, OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds));
        let opened = at(299).unwrap();
        assert_eq!(opened.authorization, grant.authorization);
        assert!(opened.covers(&access("repository:my-app/web:pull")));
        assert!(!opened.covers(&access("repository:my-app/web:pull,push")));
        assert!(opened.covers(&access("repository:my-app/worker:push")));
        assert!(!opened.covers(&Access::to_catalog()));
        assert!(at(300).is_none());
        assert!(Grant::open(db.cipher(), &token[1..], OffsetDateTime::UNIX_EPOCH).is_none());
        assert!(Grant::open(db.cipher(), "hoist-0", OffsetDateTime::UNIX_EPOCH).is_none());
    }
}
