//! Which manifest a tag names. Some tags are the ledger's, and nobody can push them: `v7` is what that release runs, and
//! `current` what the current one does.

use super::ImageError;
use super::blobs::commit;
use crate::db::registry::{self, Place};
use crate::db::{Db, DbError};
use crate::model::{Digest, ReleaseVersion, Tag};

const CURRENT: &str = "current";

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
    fn the_ledgers_tags_are_versions_and_what_is_current() {
        let is_ledgers = |text: &str| is_ledgers(&text.parse().unwrap());
        assert!(["v1", "v12", "current"].into_iter().all(is_ledgers));
        assert!(!["latest", "v1.2", "v", "version", "1", "V1", "v-1", "vv1"].into_iter().any(is_ledgers));
    }
}
