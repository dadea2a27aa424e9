//! What a build does to its app's build cache.

use super::Digest;

/// What becomes of an app's build cache when a build of it is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheChange {
    /// The build has changed nothing: what others have made of the cache meanwhile holds.
    Unchanged,
    /// It is this blob from now on; `None` is an empty one.
    To(Option<Digest>),
}
