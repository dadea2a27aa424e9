//! GitHub and its kin, as the configuration names them.

use std::path::PathBuf;
use std::sync::Arc;

use time::OffsetDateTime;

use super::api::{Api, bearer};
use super::github_app::{GitHubApp, KeyError};
use super::{Place, TellError, gitea, github, gitlab};
use crate::fetch::Bounds;
use crate::model::{CiState, CommitId, Provider, RemoteScheme, RemoteUrl, Secret};

/// The API of github.com.
pub const GITHUB_API: &str = "https://api.github.com";

/// What the configuration says of them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Those that may be asked, and where the API is if that is said.
    pub api_urls: Vec<(Provider, Option<String>)>,
    /// The App as which GitHub is asked, and the file of its private key.
    pub github_app: (Option<u64>, Option<PathBuf>),
    /// For one answer.
    pub bounds: Bounds,
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
    ///
    /// They are on several pages, and may change between two of them. Only what was green on all of them, and is so again, was
    /// green on all at once: at the moment between the two looks.
    pub async fn ci_state(&self, place: &Place, commit: &CommitId) -> Result<CiState, TellError> {
        match self.look_at_ci(place, commit).await? {
            CiState::Green => self.look_at_ci(place, commit).await,
            state => Ok(state),
        }
    }

    async fn look_at_ci(&self, place: &Place, commit: &CommitId) -> Result<CiState, TellError> {
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
        if let Some(token) = &place.token {
            return Ok(Some(token.clone()));
        }
        let Some(app) = self.app_at(place).filter(|_| place.is_proved) else { return Ok(None) };
        let api = self.bare_api(self.url(place)?);
        app.installation_token(&api, &place.full_name, (self.0.settings.now)()).await.map(Some)
    }

    /// Whether hoist is a GitHub App where this repository is.
    #[must_use]
    pub fn has_app_at(&self, place: &Place) -> bool {
        self.app_at(place).is_some()
    }

    /// The App is of the GitHub that the configuration names, whatever a connection says: no other hears of its tokens.
    fn app_at(&self, place: &Place) -> Option<&GitHubApp> {
        let app = self.0.github_app.as_ref().filter(|_| place.provider == Provider::GitHub)?;
        let its_url = self.configured(Provider::GitHub).ok()?.unwrap_or(GITHUB_API);
        self.url(place).is_ok_and(|url| url == its_url).then_some(app)
    }

    /// Asks GitHub whether whoever has this token may read a repository's code. An error says why not.
    pub async fn prove(&self, place: &Place, token: &Secret) -> Result<(), TellError> {
        let asked = Place { token: Some(token.clone()), ..place.clone() };
        github::check_readable(&self.api(&asked).await?, &place.full_name).await
    }

    /// The API of a repository, asked with what opens the repository; with a public one's, that may be nothing.
    async fn api(&self, place: &Place) -> Result<Api<'_>, TellError> {
        let (api, token) = (self.bare_api(self.url(place)?), self.token(place).await?);
        Ok(match place.provider {
            Provider::GitHub => Api { headers: github::HEADERS, authorization: token.as_ref().map(bearer), ..api },
            Provider::GitLab => Api { authorization: token.as_ref().map(bearer), ..api },
            Provider::Gitea | Provider::Forgejo => Api { authorization: token.as_ref().map(gitea::authorization), ..api },
        })
    }

    /// The same for who is to write: that takes a token.
    pub(super) async fn api_with_token(&self, place: &Place) -> Result<Api<'_>, TellError> {
        if self.token(place).await?.is_none() {
            return Err(TellError::NoToken(place.full_name.clone()));
        }
        self.api(place).await
    }

    fn bare_api(&self, url: String) -> Api<'_> {
        Api { url, bounds: &self.0.settings.bounds, headers: &[], authorization: None, now: self.0.settings.now }
    }

    /// Where the API is: as configured, or beside the repository. So nobody's token is sent to another than who made it.
    fn url(&self, place: &Place) -> Result<String, TellError> {
        if let Some(url) = self.configured(place.provider)? {
            return Ok(url.to_owned());
        }
        let (path, usual) = match place.provider {
            Provider::GitHub => ("/api/v3", Some(("github.com", GITHUB_API))),
            Provider::GitLab => ("/api/v4", None),
            Provider::Gitea | Provider::Forgejo => ("/api/v1", None),
        };
        let missing = || TellError::NoHost(place.full_name.to_string(), place.provider);
        let clone_url: RemoteUrl = place.clone_url.parse().map_err(|_| missing())?;
        let host = match clone_url.host() {
            address if address.contains(':') => format!("[{address}]"),
            name => name.to_owned(),
        };
        match (usual, clone_url.scheme(), clone_url.port()) {
            (Some((name, url)), ..) if name == host => Ok(url.to_owned()),
            (_, RemoteScheme::Http, Some(port)) => Ok(format!("http://{host}:{port}{path}")),
            (_, RemoteScheme::Https, Some(port)) => Ok(format!("https://{host}:{port}{path}")),
            (_, RemoteScheme::Http, None) => Ok(format!("http://{host}{path}")),
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
        let bounds = Bounds { allow_networks: Vec::new(), max_bytes: 1, time: Duration::from_secs(1) };
        let api_urls = vec![(Provider::GitHub, github.map(str::to_owned)), (Provider::GitLab, None), (Provider::Gitea, None)];
        let now = || OffsetDateTime::UNIX_EPOCH;
        Providers::open(Settings { api_urls, github_app: (None, None), bounds, now }).unwrap()
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
            let clone_url = clone_url.into();
            let url = providers(github).url(&Place { provider, full_name, clone_url, token: None, is_proved: false });
            url.unwrap_or_else(|error| error.to_string())
        };
        assert_eq!(url(None, Provider::GitHub, "https://github.com/a/b.git"), "https://api.github.com");
        assert_eq!(url(None, Provider::GitHub, "ssh://git@github.com/a/b.git"), "https://api.github.com");
        assert_eq!(url(None, Provider::GitHub, "https://git.corp.example/a/b.git"), "https://git.corp.example/api/v3");
        assert_eq!(url(Some("http://127.0.0.1:9/"), Provider::GitHub, "https://github.com/a/b.git"), "http://127.0.0.1:9");
        assert_eq!(url(None, Provider::GitLab, "https://gitlab.com/a/b.git"), "https://gitlab.com/api/v4");
        assert_eq!(url(None, Provider::Gitea, "http://git.example:3000/a/b.git"), "http://git.example:3000/api/v1");
        assert_eq!(url(None, Provider::Gitea, "ssh://git@git.example:2222/a/b.git"), "https://git.example/api/v1");
        assert_eq!(url(None, Provider::GitHub, "git@github.com:a/b.git"), "https://api.github.com");
        assert_eq!(url(None, Provider::Gitea, "git@git.example:a/b.git"), "https://git.example/api/v1");
        assert_eq!(url(None, Provider::Gitea, "https://[2001:db8::1]:3000/a/b"), "https://[2001:db8::1]:3000/api/v1");
        assert_eq!(url(None, Provider::Forgejo, "https://codeberg.org/a/b.git"), "hoist.toml has no section [forgejo]");
        assert_eq!(url(None, Provider::Gitea, "a"), "a/b does not say where the API is: set api_url in the section [gitea]");
    }
}
