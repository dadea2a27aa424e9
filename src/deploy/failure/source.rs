//! The words for archives that can't be built, and commits that can't be fetched.

use crate::build::{ArchiveError, LfsError, RemoteError, SubmoduleError};
use crate::fetch::FetchError;
use crate::git::ClientError;
use crate::model::{Invalid, Limits, RemoteScheme};
use crate::transcript::{size, warning};

pub(super) fn archive_words(error: &ArchiveError, limits: &Limits) -> Vec<String> {
    match error {
        ArchiveError::Checksum { is, expected } => vec![
            warning("The source is not what its checksum says."),
            warning(&format!("Expected {expected}")),
            warning(&format!("but it is {is}.")),
            warning("Upload it again, or give the checksum of this archive."),
        ],
        ArchiveError::NotAnArchive(why) => vec![
            warning(&format!("The source is not a whole .tar.gz archive: {}.", why.escape_debug())),
            warning("Make it with `tar czf`, or let `hoist builds:create` make it."),
        ],
        ArchiveError::BadEntry { path, why } => vec![
            warning(&format!("{} can't be put into a build: {why}.", path.escape_ascii())),
            warning("Leave it out of the archive."),
        ],
        ArchiveError::TooLarge { .. } | ArchiveError::TooManyFiles { .. } => {
            let (bytes, files) = (size(limits.source_bytes), limits.source_files);
            vec![
                warning(&format!("The source is too large: at most {bytes} and {files} files are built.")),
                warning("Remove what the app does not need from the archive."),
            ]
        }
        ArchiveError::NoFolder(root) => root_words(root),
        ArchiveError::Empty => vec![warning("The source is an archive with nothing in it.")],
    }
}

/// The words for a source without the folder that is the app's.
pub(super) fn root_words(root: &str) -> Vec<String> {
    vec![
        warning(&format!("There is no folder {root} in this source, and the app is built from that.")),
        warning("Commit it, or name another with `hoist apps:root PATH` (`--clear` for all of the source), or in the config var"),
        warning("PROJECT_PATH if that is what names it."),
    ]
}

/// The words for what can't be an app's folder.
pub(super) fn bad_root_words(Invalid(why): &Invalid) -> Vec<String> {
    vec![warning(&format!("{why}.")), warning("Set it to a folder of the source, such as apps/web, or unset it.")]
}

pub(super) fn fetch_words(error: &FetchError, limits: &Limits) -> Vec<String> {
    let what_to_do = match error {
        FetchError::Private(_) => {
            "Upload the source with `hoist builds:create`, or ask whoever runs hoist to allow this network."
        }
        FetchError::TooLarge(_) => return archive_words(&ArchiveError::TooLarge { limit: limits.source_bytes }, limits),
        FetchError::Status(401 | 403 | 404) => "Check that the URL needs no login and has not expired.",
        _ => "Check the URL, then try again.",
    };
    vec![warning(&format!("The source can't be fetched: {error}.")), warning(what_to_do)]
}

/// The words for a commit that can't be fetched from another git server.
pub(super) fn remote_words(error: &RemoteError) -> Vec<String> {
    vec![warning(&format!("The source can't be fetched: {error}.")), warning(&advice(error))]
}

/// The words for a pushed commit whose submodules can't be fetched: the first line is Heroku's (conventions 3.3).
pub(super) fn submodule_words(error: &RemoteError) -> Vec<String> {
    let what = match error {
        RemoteError::Submodule(submodule) => submodule_what(submodule),
        error => format!("The submodules can't be fetched: {error}."),
    };
    vec!["!\tPush rejected, submodule install failed".into(), warning(&what), warning(&advice(error))]
}

fn submodule_what(SubmoduleError { path, url, error }: &SubmoduleError) -> String {
    match (error, url) {
        // git's own words.
        (RemoteError::NoSubmoduleUrl, _) => format!("fatal: No url found for submodule path '{path}' in .gitmodules"),
        (error, Some(url)) => format!("The submodule {path} can't be fetched from {url}: {error}."),
        (error, None) => format!("The submodule {path} can't be fetched: {error}."),
    }
}

/// What is to be done.
fn advice(error: &RemoteError) -> String {
    match error {
        RemoteError::Submodule(submodule) => submodule_advice(submodule),
        error => repository_advice(error).to_owned(),
    }
}

fn submodule_advice(SubmoduleError { path, url, error }: &SubmoduleError) -> String {
    match (error, url) {
        (RemoteError::Denied(_) | RemoteError::NoRepository, Some(url)) => {
            format!("If it is private, give hoist a token that may read it: hoist git-credentials:add {url} --token-file FILE")
        }
        (RemoteError::Unreached(FetchError::Login) | RemoteError::Git(ClientError::Refused(_)), Some(url))
            if url.scheme() == RemoteScheme::Ssh =>
        {
            "Have that server take hoist's key as a deploy key of the submodule: `hoist git-credentials --json` shows it.".into()
        }
        (RemoteError::NeedsKey(url), _) => {
            format!("Use an https:// URL in .gitmodules, or give hoist a key: hoist git-credentials:add {url} --new-deploy-key")
        }
        (RemoteError::Unreached(FetchError::UnknownHost(_)), _) => {
            "Compare the host's key with what its owner publishes, then add the credentials again, with --known-hosts FILE."
                .into()
        }
        (RemoteError::Git(ClientError::Unadvertised(_)), _) => {
            "Push that commit to the submodule's own repository first, then push again.".into()
        }
        (RemoteError::NoSubmoduleUrl, _) => {
            format!("Add it with `git submodule add URL {path}`, or take it out with `git rm --cached {path}`, and push again.")
        }
        (RemoteError::RelativeSubmodule(_), _) => {
            "Write its whole URL into .gitmodules, or connect the app to the repository it comes from (hoist github:connect)."
                .into()
        }
        (error, _) => repository_advice(error).to_owned(),
    }
}

fn repository_advice(error: &RemoteError) -> &'static str {
    match error {
        RemoteError::Denied(_) | RemoteError::NoRepository | RemoteError::Unreached(FetchError::Login) => {
            "Check the URL, and that the token or deploy key is valid and may read the repository."
        }
        RemoteError::Unreached(FetchError::UnknownHost(_)) => {
            "Compare the host's key with what its owner publishes, then set it as the connection's known hosts."
        }
        RemoteError::Unreached(FetchError::Private(_)) => "Ask whoever runs hoist to allow this network.",
        RemoteError::NeedsKey(_) => "Use an https:// URL, or set a deploy key.",
        RemoteError::Git(ClientError::Unadvertised(_) | ClientError::NoRef(_)) => "Push the commit again, or deploy a newer one.",
        RemoteError::Git(ClientError::Pack(_)) | RemoteError::Lfs(LfsError::TooMany { .. } | LfsError::TooLarge { .. }) => {
            "Mend the repository, or ask whoever runs hoist for a higher limit."
        }
        RemoteError::Lfs(LfsError::Missing { .. } | LfsError::Other { .. }) => {
            "Push the files again with `git lfs push --all`, then deploy again."
        }
        RemoteError::Lfs(LfsError::BadUrl(_)) => "Mend .lfsconfig, commit, and push again.",
        RemoteError::Lfs(LfsError::Refused(_)) => {
            "Check that the server has Git LFS, and that the deploy key may read the repository."
        }
        RemoteError::NoSubmoduleUrl
        | RemoteError::BadSubmoduleUrl(_)
        | RemoteError::RelativeSubmodule(_)
        | RemoteError::TooManySubmodules => "Mend .gitmodules, commit, and push again.",
        _ => "Try again; if it stays so, ask whoever runs that server.",
    }
}
