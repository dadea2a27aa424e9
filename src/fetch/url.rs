//! An address to fetch from, checked for form.

use std::fmt;
use std::str::FromStr;

use ureq::http::Uri;

/// Signed URLs of object stores are long.
const MAX_BYTES: usize = 8 * 1024;

/// An `http` or `https` URL with a host and without a user. What it names is checked when it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    host: String,
}

/// Why a text is no such URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    #[error("the URL is longer than {MAX_BYTES} bytes")]
    TooLong,
    #[error("it is not an http or https URL")]
    Form,
    /// It would be kept and shown with the build.
    #[error("the URL has a user name or password in it")]
    User,
}

impl Url {
    /// The URL as it was given. May hold a signature: not for logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where a redirect leads; `None` when it is no such URL.
    #[must_use]
    pub(super) fn join(&self, location: &str) -> Option<Self> {
        let base = ::url::Url::parse(&self.text).ok()?;
        base.join(location).ok()?.as_str().parse().ok()
    }

    /// Whether both name the same server, spoken to in the same way.
    #[must_use]
    pub fn is_same_server(&self, other: &Self) -> bool {
        let origin = |url: &Self| ::url::Url::parse(&url.text).ok().map(|url| url.origin());
        origin(self).is_some_and(|own| own.is_tuple() && Some(own) == origin(other))
    }

    /// The host alone, for logs.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, spelt out or not.
    #[must_use]
    pub(super) fn port(&self) -> u16 {
        ::url::Url::parse(&self.text).ok().and_then(|url| url.port_or_known_default()).unwrap_or_default()
    }

    /// Whether its host is this one, by name or by address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let address = self.host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// Whether what is said there is encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.text.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
    }
}

impl FromStr for Url {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        if text.len() > MAX_BYTES {
            return Err(BadUrl::TooLong);
        }
        let uri: Uri = text.parse().map_err(|_| BadUrl::Form)?;
        let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(BadUrl::Form) };
        if authority.as_str().contains('@') {
            return Err(BadUrl::User);
        }
        if authority.host().is_empty() {
            return Err(BadUrl::Form);
        }
        Ok(Self { text: text.to_owned(), host: authority.host().to_owned() })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_to_a_host() {
        for good in ["https://github.com/a/b/archive/main.tar.gz", "http://[::1]:80/x", "https://h/x?sig=a%2Fb"] {
            assert_eq!(good.parse::<Url>().unwrap().as_str(), good);
        }
        assert_eq!("https://h:8443/x".parse::<Url>().unwrap().host(), "h");
        for bad in
            ["", "/etc/passwd", "file:///etc/passwd", "ftp://h/x", "gopher://h", "https://", "https:///x", "h/x", "http://a b/"]
        {
            assert_eq!(bad.parse::<Url>(), Err(BadUrl::Form), "{bad}");
        }
        assert_eq!("https://me:secret@h/x".parse::<Url>(), Err(BadUrl::User));
        assert_eq!(format!("https://h/{}", "x".repeat(9000)).parse::<Url>(), Err(BadUrl::TooLong));
    }

    #[test]
    fn redirects_lead_from_where_they_are_and_servers_are_told_apart() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        let from = url("https://h/a/b?x");
        assert_eq!(from.join("/c?y"), Some(url("https://h/c?y")));
        assert_eq!(from.join("http://i/c"), Some(url("http://i/c")));
        assert_eq!(from.join("file:///etc/passwd").or(from.join("https://me:secret@h/")), None);
        assert!(from.is_same_server(&url("https://h:443/c")));
        assert!(["http://h/a", "https://h:444/a", "https://i/a"].iter().all(|other| !from.is_same_server(&url(other))));
    }
}
