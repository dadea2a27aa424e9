//! What a client is told that has to say who it is: where it gets a token, and for what.

use std::fmt;

use axum::http::request::Parts;

use super::token::Access;
use crate::config::{Config, client_host};

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
        let realm = format!("{}/v2/token", config.base_url_for(parts));
        Self { realm, service: client_host(parts), scope: None, is_insufficient: false }
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
