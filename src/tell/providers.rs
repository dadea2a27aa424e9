//! GitHub and its kin, as the configuration names them.

use std::path::PathBuf;
use std::sync::Arc;

use time::OffsetDateTime;

use super::api::{Api, bearer};
use super::github_app::{GitHubApp, KeyError};
use super::{Place, TellError, gitea, github, gitlab};
use crate::fetch::Patience;
use crate::model::{CiState, CommitId, FullName, Provider, Secret};

/// The API of github.com.
const GITHUB: &str = "https://api.github.com";

/// What the configuration says of them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Those that may be asked, and where the API is if that is said.
    pub api_urls: Vec<(Provider, Option<String>)>,
    /// The App as which GitHub is asked, and the file of its private key.
    pub github_app: (Option<u64>, Option<PathBuf>),
    /// For one answer.
    pub patience: Patience,
    /// The clock.
    pub now: fn() -> OffsetDateTime,
}

/// The providers that may be asked. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Providers(Arc<Known>);

#[derive(Debug)]
struct Known {
    settings: Settings,
    github_app: Option<GitHubApp>,
}

impl Providers {
    /// Reads the GitHub App's key, if there is one. Asks nobody yet.
    pub fn open(settings: Settings) -> Result<Self, KeyError> {
        let github_app = match &settings.github_app {
            (Some(id), Some(key)) => Some(GitHubApp::open(*id, key)?),
            (None, None) => None,
            _ => return Err(KeyError::Half),
        };
        Ok(Self(Arc::new(Known { settings, github_app })))
    }

    /// Tells whether a provider's repositories may be connected.
    #[must_use]
    pub fn knows(&self, provider: Provider) -> bool {
        self.0.settings.api_urls.iter().any(|(known, _)| *known == provider)
    }

    /// What all statuses and check runs say of a commit together, but for hoist's own.
    pub async fn ci_state(&self, place: &Place, commit: &CommitId) -> Result<CiState, TellError> {
        let (api, repository) = (self.api(place).await?, &place.full_name);
        match place.provider {
            Provider::GitHub => github::ci_state(&api, repository, commit).await,
            Provider::GitLab => gitlab::ci_state(&api, repository, commit).await,
            Provider::Gitea | Provider::Forgejo => gitea::ci_state(&api, repository, commit).await,
        }
    }

    /// What opens a repository: the connection's own token, or one of the GitHub App's, good for ten minutes at least. `None`
    /// where there is neither: a public repository may be read so.
    pub async fn token(&self, place: &Place) -> Result<Option<Secret>, TellError> {
        match (&place.token, place.provider) {
            (Some(token), _) => Ok(Some(token.clone())),
            (None, Provider::GitHub) if self.0.github_app.is_some() => self.installation_token(&place.full_name).await.map(Some),
            (None, _) => Ok(None),
        }
    }

    /// The GitHub App's token for one repository in which it is installed.
    pub async fn installation_token(&self, repository: &FullName) -> Result<Secret, TellError> {
        let app = self.0.github_app.as_ref().ok_or_else(|| TellError::NoToken(repository.clone()))?;
        // The App is of the GitHub that the configuration names, whatever a connection says.
        let url = self.configured(Provider::GitHub)?.unwrap_or(GITHUB).to_owned();
        app.installation_token(&self.bare_api(url), repository, (self.0.settings.now)()).await
    }

    /// The API of a repository, asked with what opens the repository; with a public one's, that may be nothing.
    async fn api(&self, place: &Place) -> Result<Api<'_>, TellError> {
        let (api, token) = (self.bare_api(self.url(place)?), self.token(place).await?);
        let headers = match place.provider {
            Provider::GitHub => token.as_ref().map_or_else(github::anonymous_headers, github::headers),
            Provider::GitLab => token.iter().map(bearer).collect(),
            Provider::Gitea | Provider::Forgejo => gitea::headers(token.as_ref()),
        };
        Ok(Api { headers, ..api })
    }

    /// The same for who is to write: that takes a token.
    pub(super) async fn api_with_token(&self, place: &Place) -> Result<Api<'_>, TellError> {
        if self.token(place).await?.is_none() {
            return Err(TellError::NoToken(place.full_name.clone()));
        }
        self.api(place).await
    }

    fn bare_api(&self, url: String) -> Api<'_> {
        Api { url, patience: &self.0.settings.patience, headers: Vec::new(), now: self.0.settings.now }
    }

    /// Where the API is: as configured, or beside the repository. So nobody's token is sent to another than who made it.
    fn url(&self, place: &Place) -> Result<String, TellError> {
        if let Some(url) = self.configured(place.provider)? {
            return Ok(url.to_owned());
        }
        let (path, usual) = match place.provider {
            Provider::GitHub => ("/api/v3", Some(("github.com", GITHUB))),
            Provider::GitLab => ("/api/v4", None),
            Provider::Gitea | Provider::Forgejo => ("/api/v1", None),
        };
        let missing = || TellError::NoHost(place.full_name.to_string(), place.provider);
        let clone_url = url::Url::parse(&place.clone_url).map_err(|_| missing())?;
        let host = clone_url.host_str().ok_or_else(missing)?;
        match (usual, clone_url.scheme(), clone_url.port()) {
            (Some((name, url)), ..) if name == host => Ok(url.to_owned()),
            (_, scheme @ ("http" | "https"), Some(port)) => Ok(format!("{scheme}://{host}:{port}{path}")),
            (_, "http", None) => Ok(format!("http://{host}{path}")),
            _ => Ok(format!("https://{host}{path}")),
        }
    }

    /// What the configuration says of where the API is.
    fn configured(&self, provider: Provider) -> Result<Option<&str>, TellError> {
        let found = self.0.settings.api_urls.iter().find(|(known, _)| *known == provider);
        let (_, url) = found.ok_or(TellError::NotConfigured(provider))?;
        Ok(url.as_deref().map(|url| url.trim_end_matches('/')))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn providers(github: Option<&str>) -> Providers {
        let patience = Patience { allow_networks: Vec::new(), max_bytes: 1, time: Duration::from_secs(1) };
        let api_urls = vec![(Provider::GitHub, github.map(str::to_owned)), (Provider::GitLab, None), (Provider::Gitea, None)];
        let now = || OffsetDateTime::UNIX_EPOCH;
        Providers::open(Settings { api_urls, github_app: (None, None), patience, now }).unwrap()
    }

    #[test]
    fn half_a_github_app_is_refused() {
        let settings = Settings { github_app: (Some(1), None), ..providers(None).0.settings.clone() };
        assert!(matches!(Providers::open(settings), Err(KeyError::Half)));
    }

    #[test]
    fn the_api_is_beside_the_repository_unless_it_is_configured() {
        let url = |github, provider, clone_url: &str| {
            let full_name = "a/b".parse().unwrap();
            let url = providers(github).url(&Place { provider, full_name, clone_url: clone_url.into(), token: None });
            url.unwrap_or_else(|error| error.to_string())
        };
        assert_eq!(url(None, Provider::GitHub, "https://github.com/a/b.git"), "https://api.github.com");
        assert_eq!(url(None, Provider::GitHub, "ssh://git@github.com/a/b.git"), "https://api.github.com");
        assert_eq!(url(None, Provider::GitHub, "https://git.corp.example/a/b.git"), "https://git.corp.example/api/v3");
        assert_eq!(url(Some("http://127.0.0.1:9/"), Provider::GitHub, "https://github.com/a/b.git"), "http://127.0.0.1:9");
        assert_eq!(url(None, Provider::GitLab, "https://gitlab.com/a/b.git"), "https://gitlab.com/api/v4");
        assert_eq!(url(None, Provider::Gitea, "http://git.example:3000/a/b.git"), "http://git.example:3000/api/v1");
        assert_eq!(url(None, Provider::Gitea, "ssh://git@git.example:2222/a/b.git"), "https://git.example/api/v1");
        assert_eq!(url(None, Provider::Forgejo, "https://codeberg.org/a/b.git"), "hoist.toml has no section [forgejo]");
        assert_eq!(url(None, Provider::Gitea, "a"), "a/b does not say where the API is: set api_url in the section [gitea]");
    }
}
