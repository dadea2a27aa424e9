//! Apps that are deployed with the pushes to another one.

use time::OffsetDateTime;

use crate::db::follower_deploys::Pushed;
use crate::db::{self, Connection, DbError};
use crate::model::Release;

/// Records that what was pushed to the release's app is to be built for those that follow it. To be called in the transaction that
/// moves the refs, and only if there are any: what is released of an archive, or fetched, is in no repository of hoist's.
pub(super) async fn have_followers_built(tx: &mut Connection, release: &Release, at: OffsetDateTime) -> Result<(), DbError> {
    let (Some(build), Some(commit)) = (release.build, &release.commit) else { return Ok(()) };
    db::follower_deploys::insert(tx, &Pushed { app: release.app, build, by: release.by, commit, at }).await
}
