//! hoist as a GitHub App: a token of its own for a few minutes (a JWT, RFC 7519), and for that an installation's, which
//! opens one repository for an hour.
//!
//! <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app>

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::{self, PemObject as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::TellError;
use super::api::{Api, bearer};
use super::github;
use crate::model::{FullName, Secret};

/// GitHub takes none that is good for more than ten minutes; the clocks may differ by one.
const TOKEN_TIME: Duration = Duration::minutes(8);
const CLOCKS_DIFFER: Duration = Duration::minutes(1);
/// A token that is given out is good for this long at least: a fetch takes some minutes.
const REMAINS: Duration = Duration::minutes(10);

/// Why a private key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the section [github] of hoist.toml names app_id or private_key alone: a GitHub App takes both")]
    Half,
    #[error("the private key {path} can't be read")]
    Read { path: PathBuf, source: pem::Error },
    #[error("the private key {path} is not an RSA key: GitHub makes one for the App, as a PEM file")]
    NotRsa { path: PathBuf },
}

/// The App and its key.
pub(super) struct GitHubApp {
    id: u64,
    key: KeyPair,
    /// The tokens that are still good, by repository in lower case: GitHub does not tell the cases apart.
    tokens: Mutex<HashMap<String, Token>>,
}

#[derive(Debug, Clone)]
struct Token {
    secret: Secret,
    expires_at: OffsetDateTime,
}

/// `GET /repos/OWNER/NAME/installation`.
#[derive(Debug, Deserialize)]
struct Installation {
    id: u64,
}

/// `POST /app/installations/ID/access_tokens`.
#[derive(Debug, Deserialize)]
struct AccessToken {
    token: Secret,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

#[derive(Debug, Serialize)]
struct Claims {
    /// In seconds since 1970.
    iat: i64,
    exp: i64,
    iss: String,
}

impl GitHubApp {
    /// Reads the App's key, in either of the forms in which PEM files have it.
    pub(super) fn open(id: u64, path: &Path) -> Result<Self, KeyError> {
        let key = PrivateKeyDer::from_pem_file(path).map_err(|source| KeyError::Read { path: path.into(), source })?;
        let key = match &key {
            PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()).ok(),
            PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()).ok(),
            _ => None,
        };
        let key = key.ok_or_else(|| KeyError::NotRsa { path: path.into() })?;
        Ok(Self { id, key, tokens: Mutex::default() })
    }

    /// A token for one repository in which the App is installed: the last one, as long as it is good.
    pub(super) async fn installation_token(
        &self,
        api: &Api<'_>,
        repository: &FullName,
        now: OffsetDateTime,
    ) -> Result<Secret, TellError> {
        if let Some(token) = self.kept(repository, now) {
            return Ok(token);
        }
        let app = Api { headers: github::HEADERS, authorization: Some(bearer(&self.jwt(now))), ..api.clone() };
        let Installation { id } = app.get(&format!("/repos/{repository}/installation")).await?;
        let (_, name) = repository.as_str().rsplit_once('/').unwrap_or_default();
        let wanted = json!({ "repositories": [name] });
        let AccessToken { token, expires_at } = app.post(&format!("/app/installations/{id}/access_tokens"), &wanted).await?;
        self.keep(repository, Token { secret: token.clone(), expires_at });
        Ok(token)
    }

    fn kept(&self, repository: &FullName, now: OffsetDateTime) -> Option<Secret> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, token| now + REMAINS < token.expires_at);
        tokens.get(&key(repository)).map(|token| token.secret.clone())
    }

    fn keep(&self, repository: &FullName, token: Token) {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(key(repository), token);
    }

    /// What says that it is the App that asks.
    fn jwt(&self, now: OffsetDateTime) -> Secret {
        let claims = Claims {
            iat: (now - CLOCKS_DIFFER).unix_timestamp(),
            exp: (now + TOKEN_TIME).unix_timestamp(),
            iss: self.id.to_string(),
        };
        let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": "RS256", "typ": "JWT" })), part(&json!(claims)));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .expect("the signature has the key's length");
        Secret::new(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn key(repository: &FullName) -> String {
    repository.as_str().to_ascii_lowercase()
}

impl fmt::Debug for GitHubApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GitHubApp {}", self.id)
    }
}
