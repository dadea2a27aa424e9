//! Requests as the audit trail has them: what changes something, and what was refused for want of a permission.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, MatchedPath, Request};
use axum::http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::error::ApiError;
use super::guard::Holder;
use crate::audit::{self, Begun};
use crate::auth;
use crate::ctx::Ctx;
use crate::model::{Actor, Credential, Deed, Door, Outcome, Peer, RequestId};

/// Most field names and longest text that are kept of a body.
const FIELDS: usize = 100;
const TEXT: usize = 200;

/// Fields whose values are kept, by route. Of all others only the name is: config vars are fields, and a command, a URL
/// or a description may hold a secret.
const VALUES: &[(&str, &[&str])] = &[
    ("/apps", &["name", "stack"]),
    ("/apps/{app}", &["name", "build_stack", "maintenance"]),
    ("/apps/{app}/collaborators", &["user", "permissions"]),
    ("/apps/{app}/collaborators/{user}", &["permissions"]),
    ("/apps/{app}/formation/{type}", &["docker_image", "quantity", "size"]),
    ("/apps/{app}/github", &["repo", "provider", "branch", "auto_deploy", "wait_for_ci"]),
    ("/apps/{app}/github/push", &["branch"]),
    ("/apps/{app}/notifications", &["kind"]),
    ("/apps/{app}/oci-images", &["digest"]),
    ("/apps/{app}/releases", &["oci_image", "release", "slug"]),
    ("/oauth/authorizations", &["scope", "expires_in"]),
    ("/pipeline-couplings", &["app", "pipeline", "stage"]),
    ("/pipeline-couplings/{coupling}", &["stage"]),
    ("/pipeline-transfers", &["pipeline", "new_owner"]),
    ("/pipelines", &["name"]),
    ("/pipelines/{pipeline}", &["name"]),
    (
        "/pipelines/{pipeline}/review-app-config",
        &["automatic_review_apps", "base_name", "destroy_stale_apps", "forks", "repo", "stale_days", "wait_for_ci"],
    ),
    ("/review-apps", &["branch", "fork_repo_id", "pipeline", "pr_number"]),
    ("/teams/apps/{app}/collaborators", &["user", "permissions"]),
    ("/teams/apps/{app}/collaborators/{user}", &["permissions"]),
];

/// A request on its way to its handler.
pub(super) struct Audited {
    actor: Actor,
    deed: Deed,
    /// The app that the path names, which need not exist.
    app: Option<String>,
    begun: Option<Begun>,
}

/// Records a request that is to change something; `None` for one that is nobody's to answer for. Its body is read here,
/// and given back.
pub(super) async fn begin(ctx: &Ctx, holder: Option<&Holder>, request: Request) -> Result<(Request, Option<Audited>), ApiError> {
    let Some(holder) = holder else { return Ok((request, None)) };
    let (parts, body) = request.into_parts();
    let changes = !matches!(parts.method, Method::GET | Method::HEAD);
    let (body, bytes) = if changes {
        // By the router's limit.
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), &()).await?;
        (Body::from(bytes.clone()), bytes)
    } else {
        (body, Bytes::new())
    };
    let route = parts.extensions.get().map(MatchedPath::as_str).unwrap_or_default().to_owned();
    let RequestId(id) = parts.extensions.get().copied().unwrap_or(RequestId(Uuid::new_v4()));
    let actor = Actor {
        door: Door::Api,
        account: Some(holder.account.id),
        credential: Credential::Authorization(holder.authorization.id),
        address: parts.extensions.get().map(|Peer(address)| *address),
        request: id,
    };
    let path: String = parts.uri.path().chars().take(TEXT).collect();
    let (kind, action) = name(&route, &parts.method);
    let deed = Deed { app: None, kind, action, data: data(&route, &path, &bytes) };
    let mut audited = Audited { app: app_in(&route, &path), actor, deed, begun: None };
    if changes {
        audited.find_app(ctx).await?;
        audited.begun = Some(audit::begin(&ctx.db, &audited.actor, &audited.deed, ctx.now()).await?);
    }
    Ok((Request::from_parts(parts, body), Some(audited)))
}

/// Records how it ended; of a request that only reads, that it was refused.
pub(super) async fn end(ctx: &Ctx, audited: Option<Audited>, status: StatusCode) -> Result<(), ApiError> {
    let Some(mut audited) = audited else { return Ok(()) };
    let code = status.as_u16().to_string();
    match audited.begun.take() {
        Some(begun) => {
            let outcome = match status {
                status if status.is_server_error() => Outcome::Failed(code),
                status if status.is_client_error() => Outcome::Refused(code),
                _ => Outcome::Succeeded,
            };
            audit::end(&ctx.db, begun, &outcome, ctx.now()).await;
        }
        None if status == StatusCode::FORBIDDEN => {
            audited.find_app(ctx).await?;
            audit::refused(&ctx.db, &audited.actor, &audited.deed, code, ctx.now()).await?;
        }
        None => {}
    }
    Ok(())
}

impl Audited {
    /// Looks up which app it is about, if the actor may know.
    async fn find_app(&mut self, ctx: &Ctx) -> Result<(), ApiError> {
        if let (Some(app), Some(account)) = (&self.app, self.actor.account) {
            self.deed.app = auth::find_app(&ctx.db, account, app).await?.map(|(app, _)| app.id);
        }
        Ok(())
    }
}

/// The kind of thing and what is done with it: the route's last word that is no name, and the method or a verb.
fn name(route: &str, method: &Method) -> (String, String) {
    let words: Vec<&str> = route.split('/').filter(|word| !word.is_empty() && !word.starts_with('{')).collect();
    let verb = match *method {
        Method::POST => "create",
        Method::PATCH | Method::PUT => "update",
        Method::DELETE => "destroy",
        _ => "read",
    };
    match words.as_slice() {
        [.., kind, "actions", action] => ((*kind).to_owned(), (*action).to_owned()),
        [.., kind] => ((*kind).to_owned(), verb.to_owned()),
        [] => ("unknown".to_owned(), verb.to_owned()),
    }
}

/// The app that a path is about.
fn app_in(route: &str, path: &str) -> Option<String> {
    let at = route.split('/').position(|word| word == "{app}")?;
    Some(percent_decode_str(path.split('/').nth(at)?).decode_utf8_lossy().into_owned())
}

fn data(route: &str, path: &str, body: &[u8]) -> Value {
    let mut data = Map::from_iter([("path".to_owned(), json!(path))]);
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else { return data.into() };
    let kept = VALUES.iter().find(|(of, _)| *of == route).map_or(&[][..], |(_, fields)| fields);
    let values: Map<_, _> =
        body.iter().filter(|(name, _)| kept.contains(&name.as_str())).map(|(name, value)| (name.clone(), short(value))).collect();
    let cut = |name: &String| name.chars().take(TEXT).collect::<String>();
    data.insert("fields".into(), body.keys().take(FIELDS).map(cut).collect());
    if !values.is_empty() {
        data.insert("values".into(), values.into());
    }
    data.into()
}

/// A value that is not longer than anything of its kind; what is longer is not kept.
fn short(value: &Value) -> Value {
    if value.to_string().len() <= TEXT { value.clone() } else { Value::Null }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deeds_have_names() {
        let check = |method: Method, route: &str, told: (&str, &str)| {
            assert_eq!(name(route, &method), (told.0.to_owned(), told.1.to_owned()), "{route}");
        };
        check(Method::POST, "/apps", ("apps", "create"));
        check(Method::DELETE, "/apps/{app}", ("apps", "destroy"));
        check(Method::PATCH, "/apps/{app}/config-vars", ("config-vars", "update"));
        check(Method::POST, "/apps/{app}/dynos/{dyno}/actions/stop", ("dynos", "stop"));
        check(Method::GET, "/apps/{app}/config-vars", ("config-vars", "read"));
        assert_eq!(app_in("/teams/apps/{app}/collaborators", "/teams/apps/a%2Db/collaborators").as_deref(), Some("a-b"));
        assert_eq!(app_in("/apps", "/apps"), None);
    }

    #[test]
    fn values_are_kept_only_where_they_are_no_secrets() {
        let of = |route: &str, body: Value| data(route, "/p", body.to_string().as_bytes()).to_string();
        let config = of("/apps/{app}/config-vars", json!({"name": "hush", "user": "hush"}));
        assert_eq!(config, r#"{"fields":["name","user"],"path":"/p"}"#);
        let added = of("/apps/{app}/collaborators", json!({"user": "a@example.com", "silent": true}));
        assert_eq!(added, r#"{"fields":["silent","user"],"path":"/p","values":{"user":"a@example.com"}}"#);
        let long = of("/apps", json!({"name": "x".repeat(1000)}));
        assert!(long.len() < 100, "{long}");
        assert_eq!(data("/apps", "/p", b"no json"), json!({"path": "/p"}));
    }
}
