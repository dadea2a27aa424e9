//! Where submodules are, and who may know what there: credentials are for the server that they were given for.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::RemoteError;
use crate::git::Submodule;
use crate::model::{Credentials, GitCredentialId, GitCredentials, Remote, RemoteCommit, RemoteScheme, RemoteUrl, Writer};

/// Most submodules of one build, all together.
pub(super) const MAX_SUBMODULES: usize = 100;
/// How deep they may stand in one another.
pub(super) const MAX_DEPTH: usize = 5;

/// How the submodules of an app's code are fetched, besides with what its own repository is fetched with; and its buildpacks.
#[derive(Debug, Default)]
pub struct SubmoduleAccess {
    /// Where relative URLs in code that was pushed are counted from.
    base: Option<RemoteUrl>,
    credentials: GitCredentials,
    shown: Mutex<BTreeSet<GitCredentialId>>,
}

impl SubmoduleAccess {
    #[must_use]
    pub fn new(base: Option<RemoteUrl>, credentials: GitCredentials) -> Self {
        Self { base, credentials, shown: Mutex::default() }
    }

    /// The credentials that have been shown to a server.
    #[must_use]
    pub fn shown(&self) -> BTreeSet<GitCredentialId> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there is a credential for a repository.
    #[must_use]
    pub fn opens(&self, url: &RemoteUrl) -> bool {
        self.credentials.find(url).is_some()
    }

    /// How a repository is fetched that the app itself names: with its credentials, if it has any for it.
    pub(in crate::build) fn remote(&self, url: &RemoteUrl) -> Result<Remote, RemoteError> {
        self.show(url).map_or_else(|| beside(None, url.clone()), Ok)
    }

    fn show(&self, url: &RemoteUrl) -> Option<Remote> {
        let (id, remote) = self.credentials.find(url)?;
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        Some(remote)
    }
}

/// In whose tree a submodule stands.
#[derive(Debug)]
pub(super) struct Above {
    /// Where it has come from, and what its submodules on the same server may be fetched with. What was pushed may have none.
    remote: Option<Remote>,
    writer: Writer,
}

impl Above {
    /// A commit that has been fetched.
    pub(super) fn fetched(commit: &RemoteCommit) -> Self {
        Self { remote: Some(commit.as_named_from()), writer: commit.writer }
    }

    /// A commit that somebody who may deploy has pushed. Of what opens the repository that the app is connected to it gets
    /// nothing: who has given that need not have given it to the pusher.
    pub(super) fn pushed(access: &SubmoduleAccess) -> Self {
        let remote = access.base.clone().map(|url| Remote { url, credentials: Credentials::None });
        Self { remote, writer: Writer::Member }
    }
}

/// Says where a submodule's commit is fetched from, and with what.
///
/// The app's credentials come first: somebody has given them for just that place. But what a stranger has written names nothing with
/// them; and as a stranger's counts what is there for everybody to read, such as a library whose own submodules somebody else
/// chooses.
pub(super) fn locate(above: &Above, submodule: &Submodule, access: &SubmoduleAccess) -> Result<RemoteCommit, RemoteError> {
    let url = resolve(above, submodule.url.as_deref().ok_or(RemoteError::NoSubmoduleUrl)?)?;
    let remote = match above.writer {
        Writer::Member => access.show(&url),
        Writer::Stranger => None,
    };
    let remote = remote.map_or_else(|| beside(above.remote.as_ref(), url), Ok)?;
    let writer = match remote.credentials {
        Credentials::None => Writer::Stranger,
        _ => above.writer,
    };
    Ok(RemoteCommit { remote, id: submodule.commit.clone(), on: submodule.branch.clone(), writer })
}

fn resolve(above: &Above, url: &str) -> Result<RemoteUrl, RemoteError> {
    match &above.remote {
        Some(parent) => parent.url.join(url).map_err(RemoteError::BadSubmoduleUrl),
        None if url.starts_with("./") || url.starts_with("../") => Err(RemoteError::RelativeSubmodule(url.to_owned())),
        None => url.parse().map_err(RemoteError::BadSubmoduleUrl),
    }
}

/// With what the repository above it was fetched with, if it is on the same server.
fn beside(parent: Option<&Remote>, url: RemoteUrl) -> Result<Remote, RemoteError> {
    let parent = parent.filter(|parent| parent.url.host() == url.host());
    match (parent, url.scheme()) {
        (Some(parent), _) if url.is_same_server(&parent.url) => Ok(Remote { url, credentials: parent.credentials.clone() }),
        // `git@github.com:OWNER/NAME` in a repository that came over HTTPS: the same repository is there as well.
        (Some(parent), RemoteScheme::Ssh) if parent.url.scheme() != RemoteScheme::Ssh && url.port().is_none() => {
            let url = parent.url.with_path(url.path()).map_err(RemoteError::BadSubmoduleUrl)?;
            Ok(Remote { url, credentials: parent.credentials.clone() })
        }
        (_, RemoteScheme::Ssh) => Err(RemoteError::NeedsKey(url.to_string())),
        (_, RemoteScheme::Https | RemoteScheme::Http) => Ok(Remote { url, credentials: Credentials::None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CommitId, DeployKey, KnownHosts, OpenedCredential, Secret, generate_deploy_key};

    /// Where a submodule is fetched from, and whether with the credentials of its repository.
    fn at(parent: &str, url: &str) -> String {
        with(Credentials::Token(Secret::new("sesame")), parent, url)
    }

    fn with(credentials: Credentials, parent: &str, url: &str) -> String {
        written_by(Writer::Member, credentials, parent, url)
    }

    fn written_by(writer: Writer, credentials: Credentials, parent: &str, url: &str) -> String {
        let remote = Remote { url: parent.parse().unwrap(), credentials };
        let above = Above::fetched(&RemoteCommit { remote, id: id(), on: None, writer });
        told(locate(&above, &submodule(url), &SubmoduleAccess::default()))
    }

    fn id() -> CommitId {
        "1".repeat(40).parse().unwrap()
    }

    fn submodule(url: &str) -> Submodule {
        let (path, name, url) = ("lib".into(), "lib".into(), Some(url.into()));
        Submodule { path, commit: id(), name, url, branch: None, is_skipped: false }
    }

    fn told(located: Result<RemoteCommit, RemoteError>) -> String {
        match located {
            Ok(RemoteCommit { remote: Remote { url, credentials: Credentials::None }, .. }) => format!("{url} without"),
            Ok(RemoteCommit { remote: Remote { url, credentials: Credentials::Login { username, .. } }, .. }) => {
                format!("{url} as {username}")
            }
            Ok(RemoteCommit { remote, .. }) => format!("{} with", remote.url),
            Err(error) => error.to_string(),
        }
    }

    /// What an app has for `https://h/acme`.
    fn access(base: Option<&str>) -> SubmoduleAccess {
        let credentials = Credentials::Login { username: "bob".into(), token: Secret::new("sesame") };
        let opened = OpenedCredential { id: GitCredentialId::new(), url: "https://h/acme".parse().unwrap(), credentials };
        SubmoduleAccess::new(base.map(|url| url.parse().unwrap()), GitCredentials::from_iter([opened]))
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

    #[test]
    fn what_was_pushed_names_its_submodules_whole_unless_the_app_is_connected() {
        let at = |base, url| {
            let access = access(base);
            told(locate(&Above::pushed(&access), &submodule(url), &access))
        };
        assert_eq!(at(None, "https://h/acme/lib"), "https://h/acme/lib as bob");
        assert_eq!(at(None, "git@h:acme/lib"), "https://h/acme/lib as bob");
        assert_eq!(at(None, "https://h/other/lib"), "https://h/other/lib without");
        assert_eq!(at(None, "git@h:other/lib"), "a deploy key is needed for git@h:other/lib");
        assert_eq!(at(None, "../lib"), "its URL ../lib is relative, and nothing says to what");
        assert_eq!(at(Some("https://h/acme/app"), "../lib"), "https://h/acme/lib as bob");
        assert_eq!(at(Some("https://h/other/app"), "../lib"), "https://h/other/lib without");
        assert_eq!(at(Some("https://h/other/app"), "git@h:other/lib"), "https://h/other/lib without");
    }

    #[test]
    fn an_apps_credentials_are_shown_for_what_its_own_people_have_written() {
        let access = access(None);
        let commit = |writer, credentials| {
            let remote = Remote { url: "https://h/other/app".parse().unwrap(), credentials };
            RemoteCommit { remote, id: id(), on: None, writer }
        };
        let locate_in = |commit: &RemoteCommit, url| locate(&Above::fetched(commit), &submodule(url), &access);
        let token = || Credentials::Token(Secret::new("own"));
        let (private, public) = ("https://h/acme/lib", "https://h/other/lib");
        let strangers = commit(Writer::Stranger, token());
        assert_eq!(told(locate_in(&strangers, private)), "https://h/acme/lib without");
        assert!(access.shown().is_empty());
        let members = commit(Writer::Member, token());
        assert_eq!(told(locate_in(&members, public)), "https://h/other/lib with");
        let library = locate_in(&commit(Writer::Member, Credentials::None), public).unwrap();
        assert_eq!(told(locate_in(&library, private)), "https://h/acme/lib without");
        let library = locate_in(&members, private).unwrap();
        assert_eq!(told(locate_in(&library, private)), "https://h/acme/lib as bob");
        assert_eq!(access.shown().len(), 1);
    }
}
