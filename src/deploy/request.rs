//! What a door asks for.

use time::OffsetDateTime;

use crate::build::Source;
use crate::db::{self, Connection, DbError};
use crate::model::{
    Account, App, BuildId, BuildOrigin, BuildpackRef, Digest, FollowerDeployId, Priority, PushOptions, TriggerId,
};
use crate::release::{Pack, RefMove};

/// A build to be made and released.
#[derive(Debug, Clone)]
pub struct Request {
    pub app: App,
    pub by: Account,
    pub source: Source,
    pub options: PushOptions,
    pub priority: Priority,
    /// The refs that move with the release.
    pub refs: Vec<RefMove>,
    /// The pack that arrived with the push.
    pub pack: Option<Pack>,
    /// The buildpacks set on the app; empty means detection.
    pub buildpacks: Vec<BuildpackRef>,
    /// The cache that the last good build left.
    pub cache: Option<Digest>,
    /// The connected repository that the source came from, which is told what becomes of the build.
    pub origin: Option<BuildOrigin>,
    /// What asked for it, if it was not somebody who waits. It is done as soon as the build is recorded.
    pub trigger: Option<Trigger>,
}

/// A row that asks for a build until one has been accepted for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Something at a forge.
    Forge(TriggerId),
    /// A push to an app that is followed.
    Push(FollowerDeployId),
}

impl Trigger {
    /// Ends it in the transaction that accepts its build; tells whether it was still open. If not, the build must not be.
    pub(super) async fn start(self, tx: &mut Connection, build: BuildId, at: OffsetDateTime) -> Result<bool, DbError> {
        match self {
            Self::Forge(id) => db::triggers::start(tx, id, build, at).await,
            Self::Push(id) => db::follower_deploys::start(tx, id, build, at).await,
        }
    }
}
