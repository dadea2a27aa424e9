//! Which repository a request is about, and whether the caller may do there what it asks for.

use std::collections::HashMap;
use std::marker::PhantomData;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use super::audited;
use super::caller::Caller;
use super::error::RegistryError;
use super::token::Access;
use crate::auth::{self, AccessError};
use crate::ctx::Ctx;
use crate::db::registry::Place;
use crate::model::{Action, App, Need, Repository};

/// The repository that the path names, in which the caller may do `A`. A handler says in its signature what it is about to
/// do, and is not reached by whoever may not.
#[derive(Debug)]
pub(super) struct In<A> {
    pub(super) repository: Repository,
    pub(super) place: Place,
    pub(super) caller: Caller,
    allowed: PhantomData<A>,
}

/// What can be done in a repository.
pub(super) trait Allowed {
    const ACTION: Action;
    /// What a token has to be for, in the token service's words.
    const SCOPE: &[&str];
    /// What a client is told to ask for, which is all that it is about to do: who pushes also looks what is there.
    const ASK: &[&str] = Self::SCOPE;
}

/// What reading a slug takes.
#[derive(Debug)]
pub(super) struct Pull;

/// What a deploy takes.
#[derive(Debug)]
pub(super) struct Push;

/// The same. Clients ask for a token of its own for it.
#[derive(Debug)]
pub(super) struct Delete;

impl Allowed for Pull {
    const ACTION: Action = Action::ReadCode;
    const SCOPE: &[&str] = &["pull"];
}

impl Allowed for Push {
    const ACTION: Action = Action::Deploy;
    const SCOPE: &[&str] = &["push"];
    const ASK: &[&str] = &["pull", "push"];
}

impl Allowed for Delete {
    const ACTION: Action = Action::Deploy;
    const SCOPE: &[&str] = &["delete"];
    const ASK: &[&str] = &["pull", "delete"];
}

impl<A: Allowed> FromRequestParts<Ctx> for In<A> {
    type Rejection = RegistryError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, RegistryError> {
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, ctx).await.map(|Path(path)| path);
        let name = path.ok().and_then(|path| Some(format!("{}/{}", path.get("app")?, path.get("type")?)));
        let repository = name.unwrap_or_default().parse::<Repository>();
        let caller = match Caller::from_request_parts(parts, ctx).await {
            // Only now is known what the token is to be for.
            Err(RegistryError::Unauthorized(challenge)) => {
                let wanted = repository.ok().map(|repository| Access::to(&repository, A::ASK));
                return Err(RegistryError::Unauthorized(challenge.to(wanted).into()));
            }
            caller => caller?,
        };
        let repository = repository.map_err(|invalid| RegistryError::NoSuchRepository(invalid.to_string()))?;
        let app = match may(ctx, &caller, &repository, A::ACTION).await {
            Ok(app) => app,
            Err(refused) => {
                if matches!(refused, RegistryError::Denied(_)) {
                    audited::refused(ctx, &caller, &repository, parts).await?;
                }
                return Err(refused);
            }
        };
        caller.check_scope(&Access::to(&repository, A::SCOPE), &Access::to(&repository, A::ASK))?;
        let place = Place { app: app.id, process_type: repository.process_type.clone() };
        Ok(Self { repository, place, caller, allowed: PhantomData })
    }
}

/// Finds a repository's app, if the caller may do something there.
pub(super) async fn may(ctx: &Ctx, caller: &Caller, repository: &Repository, action: Action) -> Result<App, RegistryError> {
    let need = if action == Action::Deploy { Need::to_change(action) } else { Need::to_read(action) };
    if !caller.authorization.scopes.allow(need) {
        let enough = need.scopes().iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" or ");
        return Err(RegistryError::Denied(format!(
            "your API token's scope is {}, and this takes {enough}. Make another one with hoist authorizations:create --scope",
            caller.authorization.scopes
        )));
    }
    let opened = auth::open_app(&ctx.db, caller.account.id, repository.app.as_str(), action).await;
    let unknown = || format!("there is no app {}, or you have no part in it", repository.app);
    opened.map(|(app, _)| app).map_err(|error| match error {
        // As the specification asks; who would push hears it in the words that its client shows as they are.
        AccessError::NoSuchApp if action == Action::ReadCode => RegistryError::NoSuchRepository(unknown()),
        AccessError::NoSuchApp => RegistryError::Denied(unknown()),
        AccessError::Denied(denied) => RegistryError::Denied(denied.to_string()),
        AccessError::Db(error) => error.into(),
    })
}
