//! Where this installation is reached, for answers that name addresses in it.

use std::net::{IpAddr, SocketAddr};

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

    /// The same for somebody who has reached this host at an address: where HTTP is listened for at every address and the
    /// configuration names none, that one is good for them.
    #[must_use]
    pub fn base_url_at(&self, reached: IpAddr) -> String {
        match self.http_listen {
            listen if self.public_url.is_none() && listen.ip().is_unspecified() => {
                format!("http://{}", SocketAddr::new(reached.to_canonical(), listen.port()))
            }
            _ => self.base_url(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PlaceArgs, ServeArgs};

    #[test]
    fn who_has_come_some_way_is_told_one_that_is_good() {
        let dir = tempfile::tempdir().unwrap();
        let at = |listen: &str, public_url: Option<&str>, reached: &str| {
            let place = PlaceArgs { data_dir: Some(dir.path().into()), ..PlaceArgs::default() };
            let (http_listen, public_url) = (Some(listen.parse().unwrap()), public_url.map(Into::into));
            let args = ServeArgs { place, http_listen, public_url, ..ServeArgs::default() };
            Config::load(&args).unwrap().base_url_at(reached.parse().unwrap())
        };
        assert_eq!(at("127.0.0.1:5000", None, "192.0.2.1"), "http://127.0.0.1:5000");
        assert_eq!(at("0.0.0.0:5000", None, "192.0.2.1"), "http://192.0.2.1:5000");
        assert_eq!(at("[::]:5000", None, "::ffff:192.0.2.1"), "http://192.0.2.1:5000");
        assert_eq!(at("[::]:5000", None, "2001:db8::1"), "http://[2001:db8::1]:5000");
        assert_eq!(at("0.0.0.0:5000", Some("https://hoist.example/"), "192.0.2.1"), "https://hoist.example");
    }
}
