//! `[docker]`: the Docker Engine that builds the images of apps on the stack `container`, and runs all builds with
//! `engine = "docker"`.

use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

/// The Docker Engine, and how it builds. Strangers' Dockerfiles run in it: see the README.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Docker {
    /// Its socket. Also `HOIST_DOCKER_HOST`, which wins. Default `unix:///var/run/docker.sock`.
    pub host: Option<DockerHost>,
    /// `buildkit` or `classic`. Only the latter keeps the limits on memory and CPUs. Default: `BuildKit` in an Engine of
    /// version 23 or newer.
    pub builder: Option<DockerBuilder>,
    /// Network of builds. Default: the Engine's own, from which this host and its networks can be reached.
    pub network: Option<String>,
    /// The cgroup below which builds run, whatever builds them. Default: the Engine's own.
    pub cgroup_parent: Option<String>,
    /// When base images are fetched: `always`, or `missing` where the Engine has none of this name, which lets an app build
    /// upon everything that the Engine has. Default `always`.
    pub pull: Option<DockerPull>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DockerBuilder {
    BuildKit,
    Classic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DockerPull {
    Always,
    Missing,
}

/// A Docker Engine's address: a unix socket.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DockerHost(pub PathBuf);

impl Default for DockerHost {
    fn default() -> Self {
        Self("/var/run/docker.sock".into())
    }
}

impl FromStr for DockerHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix("unix://").unwrap_or(text);
        if path.starts_with('/') {
            return Ok(Self(path.into()));
        }
        Err(format!("`{text}` is not a Docker Engine's socket such as unix:///var/run/docker.sock; others are not spoken to"))
    }
}

impl TryFrom<String> for DockerHost {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_are_spoken_to() {
        for good in ["unix:///run/docker.sock", "/run/docker.sock"] {
            assert_eq!(good.parse(), Ok(DockerHost("/run/docker.sock".into())), "{good}");
        }
        for bad in ["tcp://127.0.0.1:2375", "ssh://host", "unix://run/docker.sock", "", "docker.sock"] {
            assert!(bad.parse::<DockerHost>().is_err(), "{bad}");
        }
    }
}
