//! What a client is told that has to say who it is: where it gets a token, and for what.

use std::fmt;

use axum::http::header;
use axum::http::request::Parts;
use axum::http::uri::Authority;

use super::token::Access;
use crate::config::Config;
use crate::model::Scheme;

/// A `WWW-Authenticate` header (Docker's "Token Authentication Specification").
#[derive(Debug, Clone)]
pub(super) struct Challenge {
    realm: String,
    service: String,
    scope: Option<Access>,
    is_insufficient: bool,
}

impl Challenge {
    /// For a client that has to be known.
    pub(super) fn new(parts: &Parts, config: &Config) -> Self {
        let host = host(parts);
        Self { realm: format!("{}/v2/token", base(parts, config, &host)), service: host, scope: None, is_insufficient: false }
    }

    /// For a client that needs a token for something.
    pub(super) fn to(self, scope: Option<Access>) -> Self {
        Self { scope, ..self }
    }

    /// For a client whose token is for something else.
    pub(super) fn insufficient(self) -> Self {
        Self { is_insufficient: true, ..self }
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer realm=\"{}\",service=\"{}\"", self.realm, self.service)?;
        if let Some(scope) = &self.scope {
            write!(f, ",scope=\"{scope}\"")?;
        }
        if self.is_insufficient { f.write_str(",error=\"insufficient_scope\"") } else { Ok(()) }
    }
}

/// The name by which the client knows this registry. Only what a host may be made of, as it is written between quotes.
fn host(parts: &Parts) -> String {
    let told = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = parts.uri.authority().map(Authority::as_str).or(told).unwrap_or("localhost");
    host.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']')).collect()
}

/// What the client's addresses of this registry begin with. A proxy in front of hoist may have ended its TLS: then the
/// configuration says what the client speaks.
fn base(parts: &Parts, config: &Config, host: &str) -> String {
    let public = config.public_url.as_deref();
    match public.filter(|url| url.split_once("://").is_some_and(|(_, authority)| authority == host)) {
        Some(url) => url.to_owned(),
        None => format!("{}://{host}", parts.extensions.get().copied().unwrap_or(Scheme::Http).as_str()),
    }
}
