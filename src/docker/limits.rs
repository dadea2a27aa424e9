//! Whether the Engine can hold the limits of containers. One that can't makes them all the same, without a limit.

use bollard::ClientVersion;
use bollard::models::SystemInfo;

use super::{ANSWER_TIME, Docker, DockerError};

/// The first API that knows all that containers are made with: Docker 20.10's.
const CONTAINERS_API: ClientVersion = ClientVersion { major_version: 1, minor_version: 41 };

impl Docker {
    /// Asks whether the Engine can hold the limits of containers. Returns those that builds can do without but it can't hold;
    /// fails with [`DockerError::Unfit`] for the others, and with [`DockerError::Unreachable`] if there is no Engine.
    pub async fn check_limits(&self) -> Result<Vec<&'static str>, DockerError> {
        let client = self.connect(ANSWER_TIME).await?;
        if client.client_version() < CONTAINERS_API {
            return Err(DockerError::Unfit("is older than 20.10"));
        }
        missing(&client.info().await?)
    }
}

/// Which limits an Engine that says this of itself can't hold. What it says nothing of it can.
fn missing(info: &SystemInfo) -> Result<Vec<&'static str>, DockerError> {
    if info.memory_limit == Some(false) {
        return Err(DockerError::Unfit("can't limit a container's memory; `docker info` may say why"));
    }
    if info.pids_limit == Some(false) {
        return Err(DockerError::Unfit("can't limit a container's processes; `docker info` may say why"));
    }
    let others = [("swap space", info.swap_limit), ("CPUs", info.cpu_cfs_quota)];
    Ok(others.into_iter().filter(|(_, can)| *can == Some(false)).map(|(limit, _)| limit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_limited_is_told() {
        let able = SystemInfo { memory_limit: Some(true), pids_limit: Some(true), ..SystemInfo::default() };
        assert_eq!(missing(&able).unwrap(), Vec::<&str>::new());
        let softer = SystemInfo { swap_limit: Some(false), cpu_cfs_quota: Some(false), ..able.clone() };
        assert_eq!(missing(&softer).unwrap(), ["swap space", "CPUs"]);
        let error = missing(&SystemInfo { memory_limit: Some(false), ..able.clone() }).unwrap_err().to_string();
        assert_eq!(error, "the Docker Engine can't limit a container's memory; `docker info` may say why");
        assert!(missing(&SystemInfo { pids_limit: Some(false), ..able }).is_err());
    }
}
