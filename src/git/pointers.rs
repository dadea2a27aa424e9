//! Which files of Git LFS an app's commits need, the old ones too.

use std::collections::HashSet;
use std::path::Path;

use gix_hash::ObjectId;

use super::client::{MAX_POINTER, parse_pointer, read_small};
use super::objects::{Objects, ReadError, open_packs};
use crate::model::LfsObject;

/// Reads every small blob of the packs in a folder: a pointer may stand in any commit, and to follow their links would take
/// longer.
pub(super) fn pointers_in(packs: &Path) -> Result<HashSet<LfsObject>, ReadError> {
    let mut found = HashSet::new();
    let mut objects = Objects::in_dirs(vec![packs.to_owned()]);
    for pack in open_packs(&[packs.to_owned()])? {
        for entry in pack.index.iter() {
            found.extend(pointer(&mut objects, &entry.oid)?);
        }
    }
    Ok(found)
}

fn pointer(objects: &mut Objects, id: &ObjectId) -> Result<Option<LfsObject>, ReadError> {
    Ok(read_small(objects, id, MAX_POINTER)?.as_deref().and_then(parse_pointer))
}
