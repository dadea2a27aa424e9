//! What changed from one release to another, by the ledger alone. The files are in the slugs' archives, and in the images.

use std::collections::BTreeMap;

use crate::db::{self, Connection, Db, DbError};
use crate::model::{AddonId, Artifact, ConfigKey, ConfigVars, Digest, ProcessType, ProcessTypes, Release};

/// Two releases beside each other.
#[derive(Debug, Clone)]
pub struct Diff {
    pub from: Side,
    pub to: Side,
    /// Keys alone: values are nobody's business here.
    pub config: Changes<ConfigKey>,
    pub process_types: Changes<ProcessType>,
    /// The process types whose images are others.
    pub images: Changes<ProcessType>,
    /// Add-ons, told by their names and attachments: `postgresql-flat-02648 as DATABASE`.
    pub addons: Changes<String>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Side {
    pub release: Release,
    pub artifact: Option<Artifact>,
}

/// What came, what went, and what is there on both sides with another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes<T> {
    pub added: Vec<T>,
    pub removed: Vec<T>,
    pub changed: Vec<T>,
}

/// Compares two releases of one app.
pub async fn diff(reader: &mut Connection, db: &Db, from: Release, to: Release) -> Result<Diff, DbError> {
    let old: ConfigVars = db::releases::config(reader, db.cipher(), from.id).await?;
    let new: ConfigVars = db::releases::config(reader, db.cipher(), to.id).await?;
    let (from, to) = (side(reader, from).await?, side(reader, to).await?);
    let types = |side: &Side| side.artifact.as_ref().map(Artifact::process_types).unwrap_or_default();
    let (old_types, new_types): (ProcessTypes, ProcessTypes) = (types(&from), types(&to));
    Ok(Diff {
        config: changes(&old.0, &new.0),
        process_types: changes(&old_types, &new_types),
        images: changes(&images(&from), &images(&to)),
        addons: changes(&attached(&from.release), &attached(&to.release)),
        from,
        to,
    })
}

/// Each add-on of a release, under its name and attachment, with its id.
fn attached(release: &Release) -> BTreeMap<String, AddonId> {
    release.addons.iter().map(|addon| (format!("{} as {}", addon.name, addon.attachment), addon.id)).collect()
}

async fn side(reader: &mut Connection, release: Release) -> Result<Side, DbError> {
    let artifact = db::artifacts::of_release(reader, &release).await?;
    Ok(Side { release, artifact })
}

/// The manifest that runs for each process type; none of a slug.
fn images(side: &Side) -> BTreeMap<ProcessType, Digest> {
    match &side.artifact {
        Some(Artifact::OciImage(image)) => {
            image.process_types.iter().map(|(name, process)| (name.clone(), process.digest)).collect()
        }
        Some(Artifact::Slug(_)) | None => BTreeMap::new(),
    }
}

fn changes<K: Ord + Clone, V: PartialEq>(old: &BTreeMap<K, V>, new: &BTreeMap<K, V>) -> Changes<K> {
    let missing_in = |other: &BTreeMap<K, V>, one: &BTreeMap<K, V>| {
        one.keys().filter(|key| !other.contains_key(key)).cloned().collect::<Vec<_>>()
    };
    let changed = old.iter().filter(|(key, value)| new.get(key).is_some_and(|other| other != *value));
    Changes { added: missing_in(old, new), removed: missing_in(new, old), changed: changed.map(|(key, _)| key.clone()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_went_and_changed() {
        let old = BTreeMap::from([("same", 1), ("other", 1), ("gone", 1)]);
        let new = BTreeMap::from([("same", 1), ("other", 2), ("new", 1)]);
        let expected = Changes { added: vec!["new"], removed: vec!["gone"], changed: vec!["other"] };
        assert_eq!(changes(&old, &new), expected);
        assert_eq!(changes(&old, &old), Changes { added: vec![], removed: vec![], changed: vec![] });
    }
}
