//! Who asks, and whether they may have what they ask for.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use uuid::Uuid;

use super::error::LfsError;
use super::grant::{Grant, Holder, Purpose};
use crate::auth::{self, Credentials};
use crate::ctx::Ctx;
use crate::model::{Account, Action, App, Authorization, Credential, Digest, Door, Invalid, LfsObject, LfsOperation, Need};
use crate::model::{Peer, RequestId};
use crate::transport::app_path::parse_app_path;
use crate::transport::find::{Wish, find_app};
use crate::transport::push::Visitor;

/// The account whose API token, or grant, came with the request.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) visitor: Visitor,
    /// The token with which they have come, also if it was only to get a grant. An SSH key is for everything.
    authorization: Option<Authorization>,
    grant: Option<Grant>,
    /// What addresses begin with that they are told.
    base: String,
}

/// What an operation takes.
pub(super) fn wish(operation: LfsOperation) -> Wish {
    match operation {
        LfsOperation::Download => Wish { action: Action::ReadCode, deed: ("lfs", "download") },
        LfsOperation::Upload => Wish { action: Action::Deploy, deed: ("lfs", "upload") },
    }
}

impl FromRequestParts<Ctx> for Caller {
    type Rejection = LfsError;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, LfsError> {
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(Credentials::read).ok_or(LfsError::Unauthorized)?.token;
        let grant = Grant::open(ctx.db.cipher(), token.expose());
        let (account, authorization, credential) = match &grant {
            Some(grant) if grant.has_expired(ctx.now()) => return Err(LfsError::Expired),
            Some(grant) => holder_of(ctx, grant).await?,
            None => holder(auth::by_token(&ctx.db, token.expose(), ctx.now()).await?)?,
        };
        let RequestId(request) = parts.extensions.get().copied().unwrap_or(RequestId(Uuid::new_v4()));
        let Peer(address) = parts.extensions.get().copied().unwrap_or(Peer([0, 0, 0, 0].into()));
        let visitor = Visitor { account, credential, door: Door::GitHttp, address, request };
        Ok(Self { visitor, authorization, grant, base: ctx.config.base_url_for(parts) })
    }
}

impl Caller {
    /// The app, to somebody who asks about its files.
    pub(super) async fn open(&self, ctx: &Ctx, repo: &str, operation: LfsOperation) -> Result<App, LfsError> {
        let app = self.find(ctx, repo, operation).await?;
        match &self.grant {
            Some(grant) if !matches!(grant.purpose(), Purpose::Api(_)) => return Err(LfsError::OtherGrant),
            _ => {}
        }
        let counted = ctx.rates.git_turn(self.visitor.account.id, app.id, self.visitor.address, ctx.now());
        counted.map_err(LfsError::TooOften)?;
        Ok(app)
    }

    /// The app and its file, to somebody to whom `batch` has told where it is: that is what the audit trail knows, and what was
    /// counted.
    pub(super) async fn open_object(
        &self,
        ctx: &Ctx,
        (repo, oid): (&str, &str),
        operation: LfsOperation,
    ) -> Result<(App, LfsObject), LfsError> {
        let app = self.find(ctx, repo, operation).await?;
        let digest: Digest = format!("sha256:{oid}").parse().map_err(|Invalid(why)| LfsError::Invalid(why))?;
        match self.grant.as_ref().map(Grant::purpose) {
            Some(Purpose::Upload(object) | Purpose::Download(object)) if object.digest == digest => Ok((app, object)),
            _ => Err(LfsError::OtherGrant),
        }
    }

    /// Where an app's files are.
    pub(super) fn server_of(&self, app: &App) -> String {
        format!("{}/{}.git/info/lfs", self.base, app.name)
    }

    async fn find(&self, ctx: &Ctx, repo: &str, operation: LfsOperation) -> Result<App, LfsError> {
        self.check_scope(operation)?;
        let name = parse_app_path(repo).map_err(|Invalid(text)| LfsError::NotFound(text))?;
        let app = find_app(ctx, &self.visitor, name.as_str(), wish(operation)).await?;
        match &self.grant {
            Some(grant) if !grant.is_for(app.id, operation) => Err(LfsError::OtherGrant),
            _ => Ok(app),
        }
    }

    fn check_scope(&self, operation: LfsOperation) -> Result<(), LfsError> {
        let need = match operation {
            LfsOperation::Upload => Need::Write,
            LfsOperation::Download => Need::Read,
        };
        match &self.authorization {
            Some(authorization) if !authorization.scopes.allow(need) => {
                let enough = need.scopes().iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" or ");
                Err(LfsError::Forbidden(format!("Your token's scope is {}, and this takes {enough}.", authorization.scopes)))
            }
            _ => Ok(()),
        }
    }
}

type Known = (Account, Option<Authorization>, Credential);

/// Whose grant it is, as long as they have what it was given for.
async fn holder_of(ctx: &Ctx, grant: &Grant) -> Result<Known, LfsError> {
    match grant.holder() {
        Holder::Authorization(id) => holder(auth::by_id(&ctx.db, *id, ctx.now()).await?),
        Holder::SshKey(fingerprint) => {
            let account = auth::by_ssh_key(&ctx.db, fingerprint).await?.ok_or(LfsError::Unauthorized)?;
            Ok((account, None, Credential::SshKey(fingerprint.clone())))
        }
    }
}

fn holder(found: Option<(Account, Authorization)>) -> Result<Known, LfsError> {
    let (account, authorization) = found.ok_or(LfsError::Unauthorized)?;
    let credential = Credential::Authorization(authorization.id);
    Ok((account, Some(authorization), credential))
}
