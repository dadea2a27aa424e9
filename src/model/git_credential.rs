//! What hoist shows other git servers for the submodules of an app's code.

use time::OffsetDateTime;

use super::{AccountId, AppId, Credentials, GitCredentialId, Remote, RemoteScheme, RemoteUrl, RepositoryPrefix};

/// A credential of an app's, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitCredential {
    pub id: GitCredentialId,
    pub app: AppId,
    /// Who has given it.
    pub by: AccountId,
    /// Where it is shown, and nowhere else.
    pub url: RepositoryPrefix,
    pub kind: GitCredentialKind,
    pub created_at: OffsetDateTime,
    pub last_used_at: Option<OffsetDateTime>,
}

/// What a server is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitCredentialKind {
    /// A token, over HTTP.
    Token {
        /// Whose it is, for servers that want to know.
        username: Option<String>,
    },
    /// A key, over SSH.
    DeployKey {
        public_key: String,
        /// The keys of the host, as lines of a `known_hosts` file, where they are not those that hoist knows.
        known_hosts: Option<String>,
    },
}

/// All credentials of an app, to be shown.
#[derive(Debug, Default)]
pub struct GitCredentials(Vec<OpenedCredential>);

/// A credential with its secret.
#[derive(Debug)]
pub struct OpenedCredential {
    pub id: GitCredentialId,
    pub url: RepositoryPrefix,
    pub credentials: Credentials,
}

impl GitCredentials {
    /// How a repository is to be fetched, if there is a credential for it: of several, the one for the longest path. What has a URL
    /// for SSH, for which there is no key, is fetched over HTTPS if there is a token for that.
    #[must_use]
    pub fn find(&self, url: &RemoteUrl) -> Option<(GitCredentialId, Remote)> {
        let show = |opened: &OpenedCredential, url| (opened.id, Remote { url, credentials: opened.credentials.clone() });
        if let Some(opened) = self.covering(url) {
            return Some(show(opened, url.clone()));
        }
        let over_https = url.over_https().filter(|_| url.scheme() == RemoteScheme::Ssh)?;
        self.covering(&over_https).map(|opened| show(opened, over_https))
    }

    fn covering(&self, url: &RemoteUrl) -> Option<&OpenedCredential> {
        self.0.iter().filter(|opened| opened.url.covers(url)).max_by_key(|opened| opened.url.depth())
    }
}

impl FromIterator<OpenedCredential> for GitCredentials {
    fn from_iter<T: IntoIterator<Item = OpenedCredential>>(opened: T) -> Self {
        Self(opened.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DeployKey, KnownHosts, Secret, generate_deploy_key};

    fn token(url: &str, token: &str) -> OpenedCredential {
        let credentials = Credentials::Token(Secret::new(token));
        OpenedCredential { id: GitCredentialId::new(), url: url.parse().unwrap(), credentials }
    }

    fn key(url: &str) -> OpenedCredential {
        let key = DeployKey::new(generate_deploy_key(""), KnownHosts::default()).unwrap();
        OpenedCredential { id: GitCredentialId::new(), url: url.parse().unwrap(), credentials: Credentials::Key(key) }
    }

    fn found(credentials: &GitCredentials, url: &str) -> String {
        match credentials.find(&url.parse().unwrap()) {
            Some((_, Remote { url, credentials: Credentials::Token(token) })) => format!("{url} with {}", token.expose()),
            Some((_, Remote { url, .. })) => format!("{url} with a key"),
            None => "nothing".into(),
        }
    }

    #[test]
    fn the_longest_path_wins() {
        let credentials = [token("https://h", "host"), token("https://h/o/lib", "lib"), token("https://h/o", "owner")];
        let credentials = GitCredentials::from_iter(credentials);
        assert_eq!(found(&credentials, "https://h/o/lib.git"), "https://h/o/lib.git with lib");
        assert_eq!(found(&credentials, "https://h/o/library"), "https://h/o/library with owner");
        assert_eq!(found(&credentials, "https://h/p/lib"), "https://h/p/lib with host");
        assert_eq!(found(&credentials, "https://i/o/lib"), "nothing");
    }

    #[test]
    fn a_token_does_for_ssh_where_there_is_no_key() {
        let mut credentials = GitCredentials::from_iter([token("https://h/o", "owner")]);
        assert_eq!(found(&credentials, "git@h:o/lib.git"), "https://h/o/lib.git with owner");
        assert_eq!(found(&credentials, "ssh://git@h:2222/o/lib.git"), "nothing");
        assert_eq!(found(&credentials, "git@h:p/lib.git"), "nothing");
        credentials.0.push(key("git@h:o"));
        assert_eq!(found(&credentials, "git@h:o/lib.git"), "git@h:o/lib.git with a key");
        assert_eq!(found(&credentials, "https://h/o/lib.git"), "https://h/o/lib.git with owner");
    }
}
