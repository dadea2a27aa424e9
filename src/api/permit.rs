//! Permissions that stand in addresses: of logs and of slugs, which Heroku's clients get without a token.
//!
//! An address is signed by this installation, for one method, until a day from when it was told. So an id alone permits
//! nothing, wherever it is written down, and who has lost an app loses its logs a day later.

use axum::extract::{Query, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;
use serde::Deserialize;
use time::OffsetDateTime;

use super::error::ApiError;
use crate::ctx::Ctx;
use crate::db::Cipher;

/// What the key is for.
const PURPOSE: &str = "addresses of the API";
/// Addresses that are told within the same hour are the same, so that answers keep their `ETag`s.
const STEP_SECONDS: i64 = 60 * 60;
/// For how many such steps an address is good, at least.
const STEPS: i64 = 24;

/// What stands behind an address's path.
#[derive(Debug, Deserialize)]
struct Permit {
    /// In seconds since 1970.
    expires: i64,
    signature: String,
}

/// Signs addresses.
#[derive(Debug, Clone)]
pub(super) struct Signer {
    key: hmac::Key,
    expires: i64,
}

impl Signer {
    pub(super) fn new(cipher: &Cipher, now: OffsetDateTime) -> Self {
        let step = now.unix_timestamp().div_euclid(STEP_SECONDS);
        Self { key: cipher.signing_key(PURPOSE), expires: (step + 1 + STEPS) * STEP_SECONDS }
    }

    /// The path with what permits it.
    pub(super) fn permit(&self, method: &Method, path: &str) -> String {
        let expires = self.expires;
        let signature = hmac::sign(&self.key, message(method, path, expires).as_bytes());
        format!("{path}?expires={expires}&signature={}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

impl Permit {
    fn is_good(&self, key: &hmac::Key, method: &Method, path: &str, now: OffsetDateTime) -> bool {
        let message = message(method, path, self.expires);
        let signature = BASE64_URL_SAFE_NO_PAD.decode(&self.signature).unwrap_or_default();
        now.unix_timestamp() < self.expires && hmac::verify(key, message.as_bytes(), &signature).is_ok()
    }
}

fn message(method: &Method, path: &str, expires: i64) -> String {
    format!("{method} {path} {expires}")
}

/// Lets in whoever comes with an address that [`Signer::permit`] has made.
pub(super) async fn check(State(ctx): State<Ctx>, request: Request, next: Next) -> Response {
    // What may be read, may be asked for.
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let key = ctx.db.cipher().signing_key(PURPOSE);
    match Query::<Permit>::try_from_uri(request.uri()) {
        Ok(Query(permit)) if permit.is_good(&key, method, request.uri().path(), ctx.now()) => next.run(request).await,
        _ => ApiError::Forbidden("This address is not complete, or has expired. The API tells a new one.".into()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;
    use time::Duration;

    use super::*;
    use crate::db::Db;

    #[tokio::test]
    async fn an_address_is_good_for_its_method_its_path_and_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path()).await.unwrap();
        let now = OffsetDateTime::UNIX_EPOCH + Duration::minutes(59);
        let address = Signer::new(db.cipher(), now).permit(&Method::GET, "/streams/builds/1");
        let key = db.cipher().signing_key(PURPOSE);
        let check = |address: &str, method, later: Duration| {
            let uri: Uri = address.parse().unwrap();
            Query::<Permit>::try_from_uri(&uri).is_ok_and(|permit| permit.is_good(&key, &method, uri.path(), now + later))
        };
        assert!(check(&address, Method::GET, Duration::DAY));
        assert!(!check(&address, Method::GET, Duration::DAY + Duration::HOUR));
        assert!(!check(&address, Method::PUT, Duration::ZERO));
        assert!(!check(&address.replace("builds/1", "builds/2"), Method::GET, Duration::ZERO));
        assert!(!check(&address.replace("expires=", "expires=1"), Method::GET, Duration::ZERO));
        for bad in
            ["/streams/builds/1", "/streams/builds/1?expires=99999999999", "/streams/builds/1?expires=99999999999&signature="]
        {
            assert!(!check(bad, Method::GET, Duration::ZERO), "{bad}");
        }
        let same = Signer::new(db.cipher(), now + Duration::SECOND).permit(&Method::GET, "/streams/builds/1");
        assert_eq!(same, address);
    }
}
