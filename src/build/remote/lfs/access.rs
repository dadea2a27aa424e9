//! Where a repository's LFS server is, and what it is shown.
//! Sources: Git LFS's `docs/api/server-discovery.md` and `docs/api/authentication.md`; `.lfsconfig`: git-lfs-config(5).

use std::collections::BTreeMap;

use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::super::error::LfsError;
use super::super::way::{END_TIME, basic, run_over_ssh, url_below};
use crate::build::RemoteError;
use crate::fetch::{self, Url};
use crate::model::{Credentials, Remote, RemoteCommit, RemoteScheme, RemoteUrl, Secret};

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

/// Finds the server: where `.lfsconfig` says, else beside the repository.
pub(super) async fn find(commit: &RemoteCommit, url: Option<&str>, bounds: &fetch::Bounds) -> Result<Access, RemoteError> {
    let remote = &commit.remote;
    let remote = match url {
        Some(url) => &said(&commit.as_named_from(), url)?,
        None if remote.url.scheme() == RemoteScheme::Ssh => remote,
        None => return beside(remote),
    };
    match remote.url.scheme() {
        RemoteScheme::Ssh => ask(remote, bounds).await,
        RemoteScheme::Https | RemoteScheme::Http => {
            Ok(Access { server: url_below(&remote.url, "")?, authorization: basic(remote) })
        }
    }
}

/// Where `.lfsconfig` says, with the repository's credentials if it is the same server: whoever writes that file must not learn
/// them.
fn said(remote: &Remote, url: &str) -> Result<Remote, RemoteError> {
    let url: RemoteUrl = url.parse().map_err(LfsError::BadUrl)?;
    let credentials = if url.is_same_server(&remote.url) { remote.credentials.clone() } else { Credentials::None };
    Ok(Remote { url, credentials })
}

fn beside(remote: &Remote) -> Result<Access, RemoteError> {
    let has_suffix = remote.url.path().trim_end_matches('/').strip_suffix(".git").is_some();
    let server = url_below(&remote.url, if has_suffix { "/info/lfs" } else { ".git/info/lfs" })?;
    Ok(Access { server, authorization: basic(remote) })
}

/// Has the repository's server say it, over SSH.
async fn ask(remote: &Remote, bounds: &fetch::Bounds) -> Result<Access, RemoteError> {
    let (command, stream) = run_over_ssh(remote, "git-lfs-authenticate", " download", bounds).await?;
    let mut said = String::new();
    let reading = timeout(bounds.time, stream.take(MAX_ANSWER).read_to_string(&mut said)).await;
    reading.map_err(|_| RemoteError::TooSlow)?.map_err(|error| LfsError::Answer(error.to_string()))?;
    if said.trim().is_empty() {
        let words = timeout(END_TIME, command.end()).await.map_err(|_| RemoteError::TooSlow)??;
        return Err(LfsError::Refused(words.escape_debug().to_string()).into());
    }
    let Authenticated { href, header } = serde_json::from_str(&said).map_err(|error| LfsError::unread(&error))?;
    let authorization = header.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    Ok(Access { server: href.trim_end_matches('/').parse()?, authorization: authorization.map(|(_, value)| Secret::new(value)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Writer;

    #[tokio::test]
    async fn credentials_go_where_they_are_from() {
        let bounds = fetch::Bounds { allow_networks: Vec::new(), max_bytes: 0, time: std::time::Duration::ZERO };
        let find_for = async |writer, url: &str, said: Option<&str>| {
            let remote = Remote { url: url.parse().unwrap(), credentials: Credentials::Token(Secret::new("sesame")) };
            let id = "1".repeat(40).parse().unwrap();
            match find(&RemoteCommit { remote, id, on: None, writer }, said, &bounds).await {
                Ok(access) => format!("{}{}", access.server, if access.authorization.is_some() { " with" } else { " without" }),
                Err(error) => error.to_string(),
            }
        };
        let find = async |url, said| find_for(Writer::Member, url, said).await;
        assert_eq!(find_for(Writer::Stranger, "https://h/o/r", None).await, "https://h/o/r.git/info/lfs with");
        assert_eq!(find_for(Writer::Stranger, "https://h/o/r", Some("https://h/p/lfs")).await, "https://h/p/lfs without");
        assert_eq!(find("https://h/o/r", None).await, "https://h/o/r.git/info/lfs with");
        assert_eq!(find("https://h/o/r.git/", None).await, "https://h/o/r.git/info/lfs with");
        assert_eq!(find("https://h/o/r", Some("https://h/lfs/")).await, "https://h/lfs with");
        assert_eq!(find("https://h/o/r", Some("https://i/lfs")).await, "https://i/lfs without");
        assert_eq!(find("https://h/o/r", Some("http://h/lfs")).await, "http://h/lfs without");
        assert_eq!(find("https://h/o/r", Some("git@h:o/r")).await, "a deploy key is needed for git@h:o/r");
        let refused = find("https://h/o/r", Some("file:///etc")).await;
        assert!(refused.starts_with("Git LFS: .lfsconfig: `file:///etc` is no repository's URL"), "{refused}");
        let refused = find("https://h/o/r", Some("https://me:word@i/lfs")).await;
        assert!(refused.contains("give the token by itself"), "{refused}");
    }
}
