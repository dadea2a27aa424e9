//! A part of a git server.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{RemoteScheme, RemoteUrl, names, parse};
use crate::model::Invalid;

/// A git server, or its repositories below a path: `https://HOST`, `https://HOST/PATH`, `ssh://HOST/PATH` or `USER@HOST:PATH`.
///
/// Written in one way only: without a user, a scheme's own port, or what `.git` adds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RepositoryPrefix(RemoteUrl);

impl RepositoryPrefix {
    #[must_use]
    pub fn scheme(&self) -> RemoteScheme {
        self.0.scheme
    }

    /// The host, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host()
    }

    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.0.port
    }

    /// Whether a repository is there. Names are compared whole: `/acme` has nothing of `/acme-evil`.
    #[must_use]
    pub fn covers(&self, url: &RemoteUrl) -> bool {
        let (own, other) = (place(&self.0.path), place(&url.path));
        // Over SSH they have not been resolved, and would lead somewhere else.
        let climbs = other.iter().any(|name| matches!(*name, "." | ".."));
        self.0.is_same_server(url) && !climbs && other.starts_with(&own)
    }

    /// How far down the server it is: of two that cover a repository, the one below knows it better.
    #[must_use]
    pub fn depth(&self) -> usize {
        names(&self.0.path).count()
    }

    /// Whether others could read on the way what is shown there.
    #[must_use]
    pub fn is_overheard(&self) -> bool {
        let is_loopback = |host: &str| host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        self.0.scheme == RemoteScheme::Http && !is_loopback(self.host())
    }
}

/// The names that lead to a repository.
fn place(path: &str) -> Vec<&str> {
    let path = path.trim_end_matches('/');
    names(path.strip_suffix(".git").unwrap_or(path)).collect()
}

impl FromStr for RepositoryPrefix {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let RemoteUrl { scheme, host, port, path, .. } = parse(text)?;
        let port = port.filter(|port| scheme != RemoteScheme::Ssh || *port != 22);
        let path = format!("/{}", place(&path).join("/"));
        let authority = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        let text = format!("{}://{authority}{path}", scheme.as_str());
        Ok(Self(RemoteUrl { text, scheme, user: None, host, port, path }))
    }
}

impl fmt::Display for RepositoryPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> RepositoryPrefix {
        text.parse().unwrap()
    }

    #[test]
    fn written_in_one_way() {
        let check = |text: &str, told: &str| assert_eq!(prefix(text).to_string(), told, "{text}");
        check("https://GitHub.com", "https://github.com/");
        check("https://github.com:443/acme/", "https://github.com/acme");
        check("https://h:8443/acme/lib.git", "https://h:8443/acme/lib");
        check("git@github.com:acme/lib.git", "ssh://github.com/acme/lib");
        check("ssh://me@h:22//acme", "ssh://h/acme");
        check("ssh://h", "ssh://h/");
        check("git@h:", "ssh://h/");
        check("http://[::1]:80/x", "http://[::1]/x");
        for bad in ["", "github.com/acme", "https://", "https://me:sesame@h/", "ext::sh -c id", "https://h/?x", "-x@h:r", "h h"] {
            assert!(bad.parse::<RepositoryPrefix>().is_err(), "{bad}");
        }
    }

    #[test]
    fn covers_what_is_below_it_and_nothing_else() {
        let covers = |own: &str, url: &str| prefix(own).covers(&url.parse().unwrap());
        for url in ["https://h/acme/lib", "https://h/acme/lib.git", "https://h/acme/lib.git/", "https://h:443/acme/a/b"] {
            assert!(covers("https://h/acme", url), "{url}");
        }
        assert!(covers("https://h", "https://h/x") && covers("https://h/acme/lib", "https://h/acme/lib.git"));
        assert!(covers("git@h:acme", "ssh://me@h/acme/lib") && covers("ssh://h:22/", "git@h:lib"));
        for url in [
            "https://h/acme-evil/lib",
            "https://h/evil/acme",
            "https://h/acme/../evil/lib",
            "https://h/acme/%2e%2e/evil/lib",
            "https://h/acme%2flib",
            "http://h/acme/lib",
            "https://h:444/acme/lib",
            "https://h.evil/acme/lib",
            "git@h:acme/lib",
        ] {
            assert!(!covers("https://h/acme", url), "{url}");
        }
        assert!(!covers("ssh://h/acme", "git@h:acme/../evil/lib") && !covers("ssh://h/", "ssh://h:2222/acme/lib"));
    }

    #[test]
    fn only_loopback_is_not_overheard_without_tls() {
        for (text, is) in [("https://h", false), ("http://127.0.0.1:80/x", false), ("http://[::1]/x", false), ("http://h", true)]
        {
            assert_eq!(prefix(text).is_overheard(), is, "{text}");
        }
        assert!(prefix("http://127.0.0.1.example.com/").is_overheard());
    }
}
