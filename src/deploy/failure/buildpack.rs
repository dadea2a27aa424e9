//! The words for buildpacks that are not there, can't be fetched, or are none.

use crate::build::{ArchiveError, BuildError, RemoteError, builtin};
use crate::fetch::FetchError;
use crate::git::ClientError;
use crate::model::{BuildpackPlace, BuildpackRef, Invalid, Limits};
use crate::transcript::{size, warning};

pub(super) fn bad_words(told_by: &str, why: &Invalid) -> Vec<String> {
    vec![warning(&format!("What {told_by} says is no buildpack: {why}.")), warning(&format!("Mend {told_by}, and push again."))]
}

pub(super) fn missing_words(buildpack: &BuildpackRef) -> Vec<String> {
    let mut lines = vec![warning(&format!("There is no buildpack {buildpack}."))];
    if matches!(buildpack, BuildpackRef::InApp(_)) {
        lines.push(warning("It has to be a folder of what is pushed: commit it, and push again."));
    } else {
        lines.push(warning(&format!("hoist comes with: {}.", builtin::names().join(", "))));
        lines.push(warning("Others are set by their URL: hoist buildpacks:set https://HOST/PACK.git#REVISION"));
    }
    lines
}

pub(super) fn script_words(buildpack: &BuildpackRef, script: &str, is_there: bool) -> Vec<String> {
    let name = buildpack.shown();
    if is_there {
        return vec![
            warning(&format!("{script} of the buildpack {name} is not executable.")),
            warning(&format!("Have its author run `git update-index --chmod=+x {script}`, commit, and push again.")),
        ];
    }
    vec![
        warning(&format!("{name} is no buildpack: it has no {script}.")),
        warning("A buildpack has bin/detect and bin/compile. Check the name, or set another one with `hoist buildpacks:set`."),
    ]
}

pub(super) fn fetch_words(buildpack: &BuildpackRef, error: &BuildError, limits: &Limits) -> Vec<String> {
    let what = warning(&format!("The buildpack {} can't be fetched: {}.", buildpack.shown(), error.why()));
    vec![what, warning(&advice(buildpack, error, limits))]
}

fn advice(buildpack: &BuildpackRef, error: &BuildError, limits: &Limits) -> String {
    const AWAY: &str = "Neither your code nor hoist is at fault, but the buildpack's server, or the way there. Push again later.";
    match error {
        BuildError::Fetch(FetchError::Private(_)) | BuildError::Remote(RemoteError::Unreached(FetchError::Private(_))) => {
            "Ask whoever runs hoist to allow this network.".into()
        }
        BuildError::Fetch(FetchError::TooLarge(_))
        | BuildError::Archive(ArchiveError::TooLarge { .. } | ArchiveError::TooManyFiles { .. }) => {
            let (bytes, files) = (size(limits.source_bytes), limits.source_files);
            format!("A buildpack may have at most {bytes} and {files} files.")
        }
        BuildError::Archive(_) => "Have its author mend the archive, or set another buildpack.".into(),
        BuildError::Fetch(FetchError::Status(401 | 403 | 404))
        | BuildError::Remote(RemoteError::Denied(_) | RemoteError::NoRepository | RemoteError::Unreached(FetchError::Login)) => {
            let advice = "Check the URL. If it is private, give hoist a token that may read it: hoist git-credentials:add";
            let place = if let BuildpackRef::At(place) = buildpack { Some(&**place) } else { None };
            let url = if let Some(BuildpackPlace::Git { url, .. }) = place { &url.to_string() } else { "URL" };
            format!("{advice} {url} --token-file FILE")
        }
        BuildError::Remote(RemoteError::NeedsKey(url)) => {
            format!("Use an https:// URL, or give hoist a key: hoist git-credentials:add {url} --new-deploy-key")
        }
        BuildError::Remote(RemoteError::Git(
            ClientError::NoRevision(_) | ClientError::NoDefaultBranch | ClientError::Unadvertised(_),
        )) => "Check what is behind the # with `git ls-remote`, then set the buildpack again.".into(),
        BuildError::Fetch(_) | BuildError::Remote(_) => AWAY.into(),
        _ => "Set another buildpack with `hoist buildpacks:set`.".into(),
    }
}
