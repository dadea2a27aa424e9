//! Where submodules are, and who may know what there: credentials are for the server that they were given for.

use super::RemoteError;
use crate::git::Submodule;
use crate::model::{Credentials, Remote, RemoteCommit, RemoteScheme};

/// Most submodules of one build, all together.
pub(super) const MAX_SUBMODULES: usize = 100;
/// How deep they may stand in one another.
pub(super) const MAX_DEPTH: usize = 5;

/// Says where a submodule's commit is fetched from, and with what, when it stands in the tree of `above`.
pub(super) fn locate(above: &RemoteCommit, submodule: &Submodule) -> Result<RemoteCommit, RemoteError> {
    let parent = above.as_named_from();
    let url = submodule.url.as_deref().ok_or(RemoteError::NoSubmoduleUrl)?;
    let url = parent.url.join(url).map_err(RemoteError::BadSubmoduleUrl)?;
    let is_same_host = url.host() == parent.url.host();
    let remote = match (&parent.credentials, url.scheme()) {
        _ if url.is_same_server(&parent.url) => Remote { url, credentials: parent.credentials.clone() },
        // `git@github.com:OWNER/NAME` in a repository that came over HTTPS: the same repository is there as well.
        (Credentials::Token(_) | Credentials::None, RemoteScheme::Ssh) if is_same_host && url.port().is_none() => {
            let url = parent.url.with_path(url.path()).map_err(RemoteError::BadSubmoduleUrl)?;
            Remote { url, credentials: parent.credentials.clone() }
        }
        (_, RemoteScheme::Ssh) => return Err(RemoteError::NeedsKey(url.to_string())),
        (_, RemoteScheme::Https | RemoteScheme::Http) => Remote { url, credentials: Credentials::None },
    };
    Ok(RemoteCommit { remote, id: submodule.commit.clone(), on: None, writer: above.writer })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DeployKey, KnownHosts, Secret, Writer, generate_deploy_key};

    /// Where a submodule is fetched from, and whether with the credentials of its repository.
    fn at(parent: &str, url: &str) -> String {
        with(Credentials::Token(Secret::new("sesame")), parent, url)
    }

    fn with(credentials: Credentials, parent: &str, url: &str) -> String {
        written_by(Writer::Member, credentials, parent, url)
    }

    fn written_by(writer: Writer, credentials: Credentials, parent: &str, url: &str) -> String {
        let remote = Remote { url: parent.parse().unwrap(), credentials };
        let id: crate::model::CommitId = "1".repeat(40).parse().unwrap();
        let submodule = Submodule { path: "lib".into(), commit: id.clone(), url: Some(url.into()) };
        match locate(&RemoteCommit { remote, id, on: None, writer }, &submodule) {
            Ok(RemoteCommit { remote: Remote { url, credentials: Credentials::None }, .. }) => format!("{url} without"),
            Ok(RemoteCommit { remote, .. }) => format!("{} with", remote.url),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn credentials_go_to_their_own_server_only() {
        let parent = "https://h/o/r";
        assert_eq!(at(parent, "../lib"), "https://h/o/lib with");
        assert_eq!(at(parent, "https://h/p/lib"), "https://h/p/lib with");
        assert_eq!(at(parent, "git@h:p/lib.git"), "https://h/p/lib.git with");
        assert_eq!(at(parent, "https://i/p/lib"), "https://i/p/lib without");
        assert_eq!(at(parent, "http://h/p/lib"), "http://h/p/lib without");
        assert_eq!(at(parent, "https://h:444/p/lib"), "https://h:444/p/lib without");
        assert_eq!(at(parent, "git@i:p/lib"), "a deploy key is needed for git@i:p/lib");
        assert!(at(parent, "file:///etc").contains("is no repository's URL"));
        assert!(at(parent, "ext::sh -c id").contains("is no repository's URL"));
    }

    #[test]
    fn a_strangers_tree_names_nothing_that_is_not_public() {
        let at = |url| written_by(Writer::Stranger, Credentials::Token(Secret::new("sesame")), "https://h/o/r", url);
        assert_eq!(at("../lib"), "https://h/o/lib without");
        assert_eq!(at("git@h:p/private"), "https://h/p/private without");
    }

    #[test]
    fn a_deploy_key_stays_with_its_host() {
        let at = |parent: &str, url: &str| {
            let key = DeployKey::new(generate_deploy_key(""), KnownHosts::default()).unwrap();
            with(Credentials::Key(key), parent, url)
        };
        let parent = "git@h:o/r.git";
        assert_eq!(at(parent, "../lib.git"), "git@h:o/lib.git with");
        assert_eq!(at(parent, "../../p/lib"), "git@h:p/lib with");
        assert_eq!(at(parent, "ssh://git@h/o/lib.git"), "ssh://git@h/o/lib.git with");
        assert_eq!(at(parent, "ssh://git@h:22/o/lib.git"), "ssh://git@h:22/o/lib.git with");
        assert_eq!(at(parent, "ssh://git@h:2222/o/lib"), "a deploy key is needed for ssh://git@h:2222/o/lib");
        assert_eq!(at(parent, "git@i:o/lib"), "a deploy key is needed for git@i:o/lib");
        // A key is no token, and a public library may be there all the same.
        assert_eq!(at(parent, "https://h/o/lib"), "https://h/o/lib without");
    }

    #[test]
    fn who_came_without_credentials_goes_on_without() {
        assert_eq!(with(Credentials::None, "https://i/o/r", "https://h/o/lib"), "https://h/o/lib without");
        assert_eq!(with(Credentials::None, "https://h/o/r", "git@h:o/lib"), "https://h/o/lib without");
        assert_eq!(with(Credentials::None, "https://h/o/r", "git@i:o/lib"), "a deploy key is needed for git@i:o/lib");
    }
}
