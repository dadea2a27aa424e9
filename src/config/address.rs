//! Where this installation is reached, for answers that name addresses in it.

use axum::http::header;
use axum::http::request::Parts;
use axum::http::uri::Authority;

use super::Config;
use crate::model::Scheme;

/// The name by which a client knows this installation. Only what a host may be made of: it is written between quotes.
#[must_use]
pub fn client_host(parts: &Parts) -> String {
    let told = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = parts.uri.authority().map(Authority::as_str).or(told).unwrap_or("localhost");
    host.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']')).collect()
}

impl Config {
    /// What addresses begin with for somebody who has not come over HTTP.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.public_url.clone().unwrap_or_else(|| match self.http_listen {
            listen if listen.ip().is_unspecified() => format!("http://localhost:{}", listen.port()),
            listen => format!("http://{listen}"),
        })
    }

    /// What a client's addresses begin with. A proxy in front of hoist may have ended its TLS: then the configuration says what
    /// the client speaks.
    #[must_use]
    pub fn base_url_for(&self, parts: &Parts) -> String {
        let host = client_host(parts);
        match self.public_url.as_deref().filter(|url| url.split_once("://").is_some_and(|(_, authority)| authority == host)) {
            Some(url) => url.to_owned(),
            None => format!("{}://{host}", parts.extensions.get().copied().unwrap_or(Scheme::Http).as_str()),
        }
    }
}
