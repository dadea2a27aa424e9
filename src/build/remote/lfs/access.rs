//! Where a repository's LFS server is, and what it is shown.
//! Sources: Git LFS's `docs/api/server-discovery.md` and `docs/api/authentication.md`.

use std::collections::BTreeMap;

use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::super::error::LfsError;
use super::super::way::{basic, run_over_ssh, url_below};
use crate::build::RemoteError;
use crate::fetch::{self, Url};
use crate::model::{Remote, RemoteScheme, Secret};

/// Most that is read of what `git-lfs-authenticate` says.
const MAX_ANSWER: u64 = 64 * 1024;

#[derive(Debug, Clone)]
pub(super) struct Access {
    pub server: Url,
    pub authorization: Option<Secret>,
}

/// What `git-lfs-authenticate` says.
#[derive(Deserialize)]
struct Authenticated {
    href: String,
    #[serde(default)]
    header: BTreeMap<String, String>,
}

/// Finds the server: beside the repository over HTTP; over SSH, the repository's server says where.
pub(super) async fn find(remote: &Remote, bounds: &fetch::Bounds) -> Result<Access, RemoteError> {
    if remote.url.scheme() != RemoteScheme::Ssh {
        let has_suffix = remote.url.path().trim_end_matches('/').ends_with(".git");
        let server = url_below(&remote.url, if has_suffix { "/info/lfs" } else { ".git/info/lfs" })?;
        return Ok(Access { server, authorization: basic(remote) });
    }
    let (command, stream) = run_over_ssh(remote, "git-lfs-authenticate", " download", bounds).await?;
    let mut said = String::new();
    let reading = timeout(bounds.time, stream.take(MAX_ANSWER).read_to_string(&mut said)).await;
    reading.map_err(|_| RemoteError::TooSlow)?.map_err(|error| LfsError::Answer(error.to_string()))?;
    // Serde's words name a place in the text, and not the text, which is secret.
    let said: Result<Authenticated, _> = serde_json::from_str(&said);
    drop(command);
    let Authenticated { href, header } = said.map_err(|error| LfsError::Answer(error.to_string()))?;
    let authorization = header.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    Ok(Access { server: href.trim_end_matches('/').parse()?, authorization: authorization.map(|(_, value)| Secret::new(value)) })
}
