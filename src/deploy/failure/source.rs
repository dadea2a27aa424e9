//! The words for archives that can't be built, and commits that can't be fetched.

use crate::build::{ArchiveError, LfsError, RemoteError};
use crate::fetch::FetchError;
use crate::git::ClientError;
use crate::model::Limits;
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
        ArchiveError::Empty => vec![warning("The source is an archive with nothing in it.")],
    }
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
    let what_to_do = match error {
        RemoteError::Submodule { error, .. } if matches!(**error, RemoteError::NoRepository | RemoteError::Denied(_)) => {
            "Give hoist a token that may read the submodule as well; credentials go to their own server only."
        }
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
        RemoteError::NoSubmoduleUrl | RemoteError::BadSubmoduleUrl(_) | RemoteError::TooManySubmodules => {
            "Mend .gitmodules, commit, and push again."
        }
        _ => "Try again; if it stays so, ask whoever runs that server.",
    };
    vec![warning(&format!("The source can't be fetched: {error}.")), warning(what_to_do)]
}
