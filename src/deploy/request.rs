//! What a door asks for.

use crate::build::Source;
use crate::model::{Account, App, BuildOrigin, BuildpackRef, Digest, Priority, PushOptions, TriggerId};
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
    pub trigger: Option<TriggerId>,
}
