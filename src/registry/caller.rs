//! Who asks: looked up and counted for each request.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use uuid::Uuid;

use super::challenge::Challenge;
use super::error::RegistryError;
use super::token::{Access, Grant};
use crate::auth::{self, Credentials};
use crate::ctx::Ctx;
use crate::model::{Account, Actor, Authorization, Credential, Door, Peer, RequestId, Secret};

/// The account whose token came with the request: an API token, or one of the token service.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) account: Account,
    pub(super) authorization: Authorization,
    /// What the token service's token is for; none of an API token, which is for everything.
    grant: Option<Grant>,
    challenge: Challenge,
    address: Option<IpAddr>,
    request: Uuid,
}

/// The same for who came with an API token, and not with what one gets for it.
#[derive(Debug)]
pub(super) struct ApiCaller(pub(super) Caller);

impl FromRequestParts<Ctx> for Caller {
    type Rejection = RegistryError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, RegistryError> {
        let challenge = Challenge::new(parts, &ctx.config);
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credentials = header.and_then(Credentials::read);
        let known = match &credentials {
            Some(credentials) => look_up(ctx, &credentials.token).await?,
            None => None,
        };
        let Some((account, authorization, grant)) = known else { return Err(RegistryError::Unauthorized(challenge.into())) };
        ctx.rates.images.take(authorization.id, ctx.now()).map_err(RegistryError::TooOften)?;
        let RequestId(request) = parts.extensions.get().copied().unwrap_or(RequestId(Uuid::new_v4()));
        let address = parts.extensions.get().map(|Peer(address)| *address);
        Ok(Self { account, authorization, grant, challenge, address, request })
    }
}

impl FromRequestParts<Ctx> for ApiCaller {
    type Rejection = RegistryError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, RegistryError> {
        let caller = Caller::from_request_parts(parts, ctx).await?;
        if caller.grant.is_some() { Err(RegistryError::Unauthorized(caller.challenge.into())) } else { Ok(Self(caller)) }
    }
}

impl Caller {
    /// Refuses a token of the token service that was given for something else than `wanted`. The client is told to `ask` for
    /// another one.
    pub(super) fn check_scope(&self, wanted: &Access, ask: &Access) -> Result<(), RegistryError> {
        match &self.grant {
            Some(grant) if !grant.covers(wanted) => {
                let challenge = self.challenge.clone().to(Some(ask.clone())).insufficient();
                Err(RegistryError::Insufficient(challenge.into()))
            }
            _ => Ok(()),
        }
    }

    /// As the audit trail has them.
    pub(super) fn actor(&self) -> Actor {
        Actor {
            door: Door::Api,
            account: Some(self.account.id),
            credential: Credential::Authorization(self.authorization.id),
            address: self.address,
            request: self.request,
        }
    }
}

async fn look_up(ctx: &Ctx, token: &Secret) -> Result<Option<(Account, Authorization, Option<Grant>)>, RegistryError> {
    let now = ctx.now();
    if let Some(grant) = Grant::open(ctx.db.cipher(), token.expose(), now) {
        let holder = auth::by_id(&ctx.db, grant.authorization, now).await?;
        return Ok(holder.map(|(account, authorization)| (account, authorization, Some(grant))));
    }
    let holder = auth::by_token(&ctx.db, token.expose(), now).await?;
    Ok(holder.map(|(account, authorization)| (account, authorization, None)))
}
