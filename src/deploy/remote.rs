//! What doors ask of other git servers.

use super::source_means;
use crate::build::{self, RemoteError};
use crate::ctx::Ctx;
use crate::model::{CommitId, RefName, Remote};

/// Asks a git server which commit a ref leads to. It has some minutes to answer; the error says whose fault it is.
pub async fn find_remote_ref(ctx: &Ctx, remote: &Remote, name: &RefName) -> Result<CommitId, RemoteError> {
    build::find_remote_ref(remote, name, &source_means(ctx).bounds).await
}
