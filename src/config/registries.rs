//! `[registries]`: from where stacks are pulled, and as whom.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::variable;
use crate::model::{Mirror, RegistryLogin, RegistryName, Secret};

/// A registry, under its name: `[registries."docker.io"]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registry {
    /// Registries that are asked first, as `https://mirror.example.com` or, if its images lie in a folder there,
    /// `https://mirror.example.com/docker-hub`. Default: none.
    pub mirrors: Vec<Mirror>,
    /// Who logs in there. Default: who does for Docker, by the file that `docker login` writes.
    pub user: Option<String>,
    /// Their password, or token.
    pub password: Option<Secret>,
    /// What some registries give in the place of a password.
    pub identity_token: Option<Secret>,
    /// Whether it is spoken to without TLS. Default: only on this very host.
    pub plain_http: Option<bool>,
}

/// What `docker login` has left: `~/.docker/config.json`, or where `DOCKER_CONFIG` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DockerLogins {
    pub logins: BTreeMap<RegistryName, RegistryLogin>,
    /// Registries whose logins are in the keeping of a program, which hoist does not ask.
    pub helpers: BTreeMap<RegistryName, String>,
    /// The program that keeps all others.
    pub helper: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Wire {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Auth {
    auth: String,
    identitytoken: String,
}

impl DockerLogins {
    /// Reads the file; nothing where there is none. What is wrong with it is told without what it holds.
    pub fn load() -> Result<Self, String> {
        let home = || variable("HOME").map(|home| PathBuf::from(home).join(".docker"));
        let Some(folder) = variable("DOCKER_CONFIG").map(PathBuf::from).or_else(home) else { return Ok(Self::default()) };
        let path = folder.join("config.json");
        match std::fs::read(&path) {
            Ok(bytes) => Self::parse(&bytes).map_err(|why| format!("{}: {why}", path.display())),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                Ok(Self::default())
            }
            Err(error) => Err(format!("{} can't be read: {error}", path.display())),
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        // The error would quote what is there.
        let wire: Wire =
            serde_json::from_slice(bytes).map_err(|error| format!("line {} is not what docker writes", error.line()))?;
        let login = |(name, auth): (String, Auth)| Some((registry(&name)?, auth.login()?));
        let helper = |(name, helper): (String, String)| Some((registry(&name)?, helper));
        Ok(Self {
            logins: wire.auths.into_iter().filter_map(login).collect(),
            helpers: wire.cred_helpers.into_iter().filter_map(helper).collect(),
            helper: wire.creds_store.filter(|helper| !helper.is_empty()),
        })
    }
}

/// Docker writes Docker Hub as `https://index.docker.io/v1/`, and all others by their names.
fn registry(key: &str) -> Option<RegistryName> {
    let host = key.trim_start_matches("https://").trim_start_matches("http://").split('/').next()?;
    host.parse().ok()
}

impl Auth {
    /// `None` where the file only says that there is a login, which a program keeps.
    fn login(self) -> Option<RegistryLogin> {
        if !self.identitytoken.is_empty() {
            return Some(RegistryLogin::IdentityToken(Secret::new(self.identitytoken)));
        }
        let text = String::from_utf8(BASE64_STANDARD.decode(self.auth).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        // Docker pads old ones with NUL bytes.
        Some(RegistryLogin::Password { user: user.to_owned(), password: Secret::new(password.trim_end_matches('\0')) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_login_wrote_is_understood() {
        let file = r#"{
            "auths": {
                "https://index.docker.io/v1/": {"auth": "YW5uOnM6M2NyZXQ="},
                "registry.test:5000": {"auth": "PHRva2VuPjo=", "identitytoken": "refresh"},
                "kept.test": {}
            },
            "credHelpers": {"cloud.test": "cloud"},
            "credsStore": "desktop",
            "HttpHeaders": {"x": "y"}
        }"#;
        let logins = DockerLogins::parse(file.as_bytes()).unwrap();
        let login = |name: &str| logins.logins.get(&name.parse().unwrap());
        let expected = RegistryLogin::Password { user: "ann".into(), password: Secret::new("s:3cret") };
        assert_eq!(login("docker.io"), Some(&expected));
        assert_eq!(login("registry.test:5000"), Some(&RegistryLogin::IdentityToken(Secret::new("refresh"))));
        assert_eq!(login("kept.test"), None);
        assert_eq!(logins.helpers[&"cloud.test".parse().unwrap()], "cloud");
        assert_eq!(logins.helper.as_deref(), Some("desktop"));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_secret() {
        let error = DockerLogins::parse(br#"{"auths": {"a.test": {"auth": 5, "secret": "hidden"}}}"#).unwrap_err();
        assert_eq!(error, "line 1 is not what docker writes");
        assert_eq!(DockerLogins::parse(b"{}").unwrap(), DockerLogins::default());
    }
}
