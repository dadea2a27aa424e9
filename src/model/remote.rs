//! Repositories on other git servers: where they are, and how hoist gets in.

mod prefix;

use std::fmt;
use std::str::FromStr;

use super::{CommitId, DeployKey, Invalid, RefName, Secret};
pub use prefix::RepositoryPrefix;

/// Longer than any address that is typed.
const MAX_BYTES: usize = 1024;
const FORM: &str = "it must be https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH";

/// Where a repository is: `https://HOST/PATH`, `http://HOST/PATH`, `ssh://USER@HOST/PATH` or `USER@HOST:PATH`.
///
/// It holds no password: it is shown in logs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteUrl {
    text: String,
    scheme: RemoteScheme,
    user: Option<String>,
    host: String,
    port: Option<u16>,
    path: String,
}

/// How a git server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RemoteScheme {
    Https,
    Http,
    Ssh,
}

impl RemoteScheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Ssh => "ssh",
        }
    }
}

impl RemoteUrl {
    #[must_use]
    pub fn scheme(&self) -> RemoteScheme {
        self.scheme
    }

    /// The host, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whom to log in as over SSH; `git` where nothing is said.
    #[must_use]
    pub fn user(&self) -> &str {
        self.user.as_deref().unwrap_or("git")
    }

    /// The repository's place on its host, as the host is asked for it. Holds nothing that a shell would see.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether both are on the same server, spoken to in the same way: what one may know, the other may.
    #[must_use]
    pub fn is_same_server(&self, other: &Self) -> bool {
        // A scheme's own port is no other place; of https and http it is left out already.
        let port = |url: &Self| url.port.or((url.scheme == RemoteScheme::Ssh).then_some(22));
        (self.scheme, &self.host, port(self)) == (other.scheme, &other.host, port(other))
    }

    /// The repository of the same path over HTTPS, where large services have it as well as over SSH.
    #[must_use]
    pub fn over_https(&self) -> Option<Self> {
        let is_usual = self.scheme == RemoteScheme::Ssh && self.port.is_none();
        let text = || format!("https://{}/{}", self.host, self.path.trim_start_matches('/'));
        is_usual.then(text)?.parse().ok()
    }

    /// The same server's repository of another path.
    pub fn with_path(&self, path: &str) -> Result<Self, Invalid> {
        let (host, path) = (&self.host, path.trim_start_matches('/'));
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{user}{host}{port}/{path}", self.scheme.as_str()).parse()
    }

    /// What a submodule's URL means in a repository that came from here (git-submodule(1), `add`): `./` and `../` are
    /// counted from this repository itself. Anything else is a URL of its own.
    pub fn join(&self, url: &str) -> Result<Self, Invalid> {
        if !url.starts_with("./") && !url.starts_with("../") {
            return url.parse();
        }
        let mut names: Vec<&str> = self.path.trim_end_matches('/').split('/').collect();
        for name in url.split('/') {
            match name {
                "." | "" => {}
                ".." if names.iter().any(|name| !name.is_empty()) => _ = names.pop(),
                ".." => return Err(Invalid(format!("`{}` is above {self}'s host", url.escape_debug()))),
                name => names.push(name),
            }
        }
        if self.is_scp_like() {
            return format!("{}@{}:{}", self.user(), self.host, names.join("/")).parse();
        }
        self.with_path(&names.join("/"))
    }

    /// Whether the path is counted from the user's home, as only `USER@HOST:PATH` can say.
    fn is_scp_like(&self) -> bool {
        self.scheme == RemoteScheme::Ssh && !self.path.starts_with('/')
    }
}

impl FromStr for RemoteUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let url = parse(text)?;
        if names(&url.path).next().is_none() { Err(refusal(text, FORM)) } else { Ok(url) }
    }
}

/// Parses a URL that may name a whole host.
fn parse(text: &str) -> Result<RemoteUrl, Invalid> {
    // What a shell at the other end, or a log, might take for something else.
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\'' | '"' | '\\' | '`' | '$' | '?' | '#');
    if text.len() > MAX_BYTES || text.contains(odd) {
        return Err(refusal(text, "it is too long, or has a character that does not belong there"));
    }
    let url = if text.contains("://") { parse_url(text) } else { parse_scp_like(text) }.ok_or_else(|| refusal(text, FORM))?;
    if url.scheme != RemoteScheme::Ssh && url.user.is_some() {
        return Err(refusal(text, "give the token by itself, not in the URL"));
    }
    let is_option = |name: &str| name.starts_with('-');
    let is_bad = |name: &str| name.is_empty() || is_option(name);
    if is_bad(&url.host) || is_option(&url.path) || url.user.as_deref().is_some_and(is_bad) {
        return Err(refusal(text, FORM));
    }
    Ok(url)
}

/// Shows the URL without what may be a password or a signature in it: what is refused may be read in a log.
fn refusal(text: &str, why: &str) -> Invalid {
    let shown = match text.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, place)| place)),
        None => text.to_owned(),
    };
    let shown = shown.split(['?', '#']).next().unwrap_or_default();
    Invalid(format!("`{}` is no repository's URL: {why}", shown.escape_debug()))
}

/// The names in a path, from the host down.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

fn parse_url(text: &str) -> Option<RemoteUrl> {
    let url = url::Url::parse(text).ok()?;
    let scheme = match url.scheme() {
        "https" => RemoteScheme::Https,
        "http" => RemoteScheme::Http,
        "ssh" => RemoteScheme::Ssh,
        _ => return None,
    };
    // A password is a secret that would be shown: such a URL is refused as one with a user.
    let has_password = url.password().is_some();
    let user = (!url.username().is_empty() || has_password).then(|| url.username().to_owned());
    if has_password && scheme == RemoteScheme::Ssh {
        return None;
    }
    let host = url.host_str()?.to_owned();
    Some(RemoteUrl { text: text.to_owned(), scheme, user, host, port: url.port(), path: url.path().to_owned() })
}

/// `USER@HOST:PATH`, as `scp` has it (git-clone(1), "GIT URLS").
fn parse_scp_like(text: &str) -> Option<RemoteUrl> {
    let (user, rest) = text.split_once('@')?;
    let (host, path) = rest.split_once(':')?;
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if !is_name(user) || !is_name(host) {
        return None;
    }
    let (user, host) = (Some(user.to_owned()), host.to_ascii_lowercase());
    Some(RemoteUrl { text: text.to_owned(), scheme: RemoteScheme::Ssh, user, host, port: None, path: path.to_owned() })
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a git server is shown.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Nothing: the repository is public.
    None,
    /// Over HTTP: a personal, deploy or installation token.
    Token(Secret),
    /// Over HTTP: a token of a server that wants to know whose it is.
    Login { username: String, token: Secret },
    /// Over SSH.
    Key(DeployKey),
}

/// Another server's repository.
#[derive(Debug, Clone)]
pub struct Remote {
    pub url: RemoteUrl,
    pub credentials: Credentials,
}

/// A commit of another server's repository.
#[derive(Debug, Clone)]
pub struct RemoteCommit {
    pub remote: Remote,
    pub id: CommitId,
    /// A branch that has it, for servers that give out only what a ref leads to.
    pub on: Option<RefName>,
    pub writer: Writer,
}

/// Who has written a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// Somebody who may push to the repository.
    Member,
    /// Anybody who could open a pull request.
    Stranger,
}

impl RemoteCommit {
    /// The repository as what its files name is fetched from there: a stranger's files may name another one that its
    /// credentials open, and the stranger's code would see what is in that.
    #[must_use]
    pub fn as_named_from(&self) -> Remote {
        match self.writer {
            Writer::Member => self.remote.clone(),
            Writer::Stranger => Remote { credentials: Credentials::None, ..self.remote.clone() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RemoteUrl, Invalid> {
        text.parse()
    }

    #[test]
    fn the_forms_that_git_knows() {
        let parts = |text: &str| {
            let url = parse(text).unwrap();
            assert_eq!(url.to_string(), text);
            (url.scheme(), url.user().to_owned(), url.host().to_owned(), url.port(), url.path().to_owned())
        };
        let git = || "git".to_owned();
        let of = |scheme, host: &str, port, path: &str| (scheme, git(), host.to_owned(), port, path.to_owned());
        assert_eq!(parts("https://github.com/o/r.git"), of(RemoteScheme::Https, "github.com", None, "/o/r.git"));
        assert_eq!(parts("http://[::1]:8080/o/r"), of(RemoteScheme::Http, "::1", Some(8080), "/o/r"));
        assert_eq!(parts("git@github.com:o/r.git"), of(RemoteScheme::Ssh, "github.com", None, "o/r.git"));
        assert_eq!(parts("ssh://git@h:2222/srv/r"), of(RemoteScheme::Ssh, "h", Some(2222), "/srv/r"));
        assert_eq!(parts("ssh://h/srv/r"), of(RemoteScheme::Ssh, "h", None, "/srv/r"));
    }

    #[test]
    fn nothing_else() {
        for bad in [
            "",
            "o/r",
            "/srv/r.git",
            "file:///srv/r.git",
            "git://h/r",
            "ext::sh -c id",
            "https://",
            "https://h",
            "https://h/",
            "https://h/r?x=1",
            "git@-oProxyCommand=x:r",
            "-x@h:r",
            "ssh://-oProxyCommand=x/r",
            "git@h:-r",
            "git@h:a'b",
            "git@h:$(id)",
            "https://h/a b",
            "https://h/\nr",
            "ssh://me:word@h/r",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        for secret in ["https://x:sesame@h/r", "https://sesame@h/r", "ssh://me:ses/ame@h/r", "https://x:sesame@h/a b"] {
            let refused = parse(secret).unwrap_err().to_string();
            assert!(refused.contains("://h/") && !refused.contains("ame@"), "{refused}");
        }
        assert!(parse("https://x:sesame@h/r").unwrap_err().to_string().contains("give the token by itself"));
    }

    #[test]
    fn submodules_are_found_beside_their_repository() {
        let joined = |from: &str, url: &str| parse(from).unwrap().join(url).map(|url| url.to_string()).unwrap_or_default();
        assert_eq!(joined("https://h/o/r.git", "../lib.git"), "https://h/o/lib.git");
        assert_eq!(joined("https://h:8443/o/r/", "../../p/lib"), "https://h:8443/p/lib");
        assert_eq!(joined("https://h/o/r", "./sub"), "https://h/o/r/sub");
        assert_eq!(joined("https://h/o/r", "../../../x"), "");
        assert_eq!(joined("git@h:o/r.git", "../lib.git"), "git@h:o/lib.git");
        assert_eq!(joined("ssh://me@h:22/o/r.git", "../lib.git"), "ssh://me@h:22/o/lib.git");
        assert_eq!(joined("https://h/o/r", "git@h:o/lib"), "git@h:o/lib");
        assert_eq!(joined("https://h/o/r", "file:///etc"), "");
    }

    #[test]
    fn what_is_there_over_ssh_is_sought_over_https() {
        let sought = |text: &str| parse(text).unwrap().over_https().map(|url| url.to_string());
        assert_eq!(sought("git@h:o/r.git").as_deref(), Some("https://h/o/r.git"));
        assert_eq!(sought("ssh://git@h/o/r").as_deref(), Some("https://h/o/r"));
        assert_eq!((sought("ssh://git@h:22/o/r"), sought("https://h/o/r")), (None, None));
    }

    #[test]
    fn what_one_server_is() {
        let same = |a: &str, b: &str| parse(a).unwrap().is_same_server(&parse(b).unwrap());
        assert!(same("https://h/a", "https://h/b") && same("git@h:a", "ssh://x@h/b"));
        assert!(same("git@h:a", "ssh://h:22/b") && same("https://h/a", "https://h:443/b") && !same("git@h:a", "ssh://h:2222/b"));
        assert!(
            !same("https://h/a", "http://h/a") && !same("https://h/a", "https://h:444/a") && !same("https://h/a", "https://i/a")
        );
    }
}
