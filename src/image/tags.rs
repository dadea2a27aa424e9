//! Which manifest a tag names. Some tags are the ledger's, and nobody can push them: `v7` is what that release runs, and
//! `current` what the current one does.

use super::ImageError;
use super::blobs::commit;
use crate::db::registry::{self, Place};
use crate::db::{Db, DbError};
use crate::model::{Digest, ReleaseVersion, Tag};

/// The release that runs.
pub const CURRENT: &str = "current";
/// What an engine asks for unless it is told a tag.
pub const LATEST: &str = "latest";

/// The releases that an image's tag can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseTag {
    /// `v12`.
    Version(ReleaseVersion),
    /// The release that runs.
    Current,
}

impl ReleaseTag {
    /// Which release a tag names, if the ledger gives it. `latest` is not told here: it can be pushed, too.
    #[must_use]
    pub fn of(tag: &Tag) -> Option<Self> {
        match tag.as_str() {
            CURRENT => Some(Self::Current),
            text => {
                let version = text.starts_with('v').then(|| text.parse().ok()).flatten();
                // One release has one name: not `v007`.
                version.filter(|version: &ReleaseVersion| version.to_string() == text).map(Self::Version)
            }
        }
    }
}

/// The manifest that a tag of a repository names.
///
/// Every door asks here, so that what the ledger names has to be found in this place only.
pub async fn resolve(db: &Db, place: &Place, tag: &Tag) -> Result<Option<Digest>, DbError> {
    registry::tags::get(&mut *db.read().await?, place, tag).await
}

/// Lists a repository's tags from behind `last` on, in the specification's order.
pub async fn list_tags(db: &Db, place: &Place, last: &str, most: u32) -> Result<Vec<Tag>, DbError> {
    registry::tags::list(&mut *db.read().await?, place, last, most).await
}

/// Adds the ledger's tags behind `last` to a page of pushed ones, in the same order. The page may be longer then.
#[must_use]
pub fn merge_tags(pushed: Vec<Tag>, ledgers: Vec<Tag>, last: &str) -> Vec<Tag> {
    let key = |text: &str| (text.to_ascii_lowercase(), text.to_owned());
    let behind = ledgers.into_iter().filter(|tag| key(tag.as_str()) > key(last));
    let mut tags: Vec<_> = pushed.into_iter().chain(behind).collect();
    tags.sort_by_key(|tag| key(tag.as_str()));
    tags.dedup();
    tags
}

/// Removes a tag that was pushed.
pub async fn delete_tag(db: &Db, place: &Place, tag: &Tag) -> Result<(), ImageError> {
    check_may_push(tag)?;
    let mut tx = db.write().await?;
    if !registry::tags::delete(&mut tx, place, tag).await? {
        return Err(ImageError::NotFound);
    }
    commit(tx).await
}

/// Refuses the ledger's tags.
pub(super) fn check_may_push(tag: &Tag) -> Result<(), ImageError> {
    if is_ledgers(tag) { Err(ImageError::LedgersTag(tag.clone())) } else { Ok(()) }
}

fn is_ledgers(tag: &Tag) -> bool {
    let is_version = |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) && text.parse::<ReleaseVersion>().is_ok();
    tag.as_str() == CURRENT || tag.as_str().strip_prefix('v').is_some_and(is_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledgers_tags_stand_among_the_pushed_ones() {
        let tags = |text: &str| text.split_whitespace().map(|tag| tag.parse().unwrap()).collect::<Vec<Tag>>();
        let merge = |last| merge_tags(tags("B latest x"), tags("v2 v10 current latest"), last);
        assert_eq!(merge("b"), tags("B current latest v10 v2 x"));
        assert_eq!(merge("v10"), tags("B latest v2 x"), "what was pushed is behind `last` already");
    }

    #[test]
    fn a_ledgers_tag_says_which_release() {
        let of = |text: &str| ReleaseTag::of(&text.parse().unwrap());
        assert_eq!(of("v12"), Some(ReleaseTag::Version(ReleaseVersion(12))));
        assert_eq!(of("current"), Some(ReleaseTag::Current));
        for none in ["latest", "v0", "v01", "v1.0", "12", "V1", "v"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn the_ledgers_tags_are_versions_and_what_is_current() {
        let is_ledgers = |text: &str| is_ledgers(&text.parse().unwrap());
        assert!(["v1", "v12", "current"].into_iter().all(is_ledgers));
        assert!(!["latest", "v1.2", "v", "version", "1", "V1", "v-1", "vv1"].into_iter().any(is_ledgers));
    }
}
