//! Where a review app's code is.

use super::Halt;
use crate::build::{ArchiveSource, Origin};
use crate::ctx::Ctx;
use crate::model::{BuildOrigin, CommitId, ReviewApp, ReviewSource, SourceBlob};

/// Code that can be built.
pub(super) struct Fetched {
    pub(super) archive: ArchiveSource,
    /// The commit of the pipeline's repository that it is, if it is one.
    pub(super) commit: Option<CommitId>,
    pub(super) origin: Option<BuildOrigin>,
}

/// Gets the code that is wanted.
pub(super) async fn get(_ctx: &Ctx, review_app: &ReviewApp) -> Result<Fetched, Halt> {
    match &review_app.source {
        ReviewSource::Archive { url, digest, version } => {
            let origin = match digest {
                Some(digest) => Origin::Stored(*digest),
                None => {
                    Origin::Url(url.parse().map_err(|error| Halt::Failed(format!("the source's URL can't be used: {error}")))?)
                }
            };
            let blob = SourceBlob { url: url.clone(), checksum: None, version: version.clone(), version_description: None };
            Ok(Fetched { archive: ArchiveSource { origin, blob }, commit: None, origin: None })
        }
        ReviewSource::Repository(_) => Err(Halt::Failed("its pipeline is not connected to a repository".into())),
    }
}
