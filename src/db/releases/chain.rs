//! The chain of hashes: what a release's hash covers, and the walk that checks it.
//!
//! A hash covers the whole row, the hash of the row before, and the slug or the image that the release runs, so that none of
//! them can be changed unseen. An empty list of add-ons and an image that is not there are left out: releases are older than
//! both. It is taken of the columns as they stand: a row that hoist could not even read is told, too.

use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Row, statuses};
use crate::db::{Connection, DbError, row};
use crate::model::{AppId, ArtifactId, CommitId, Digest, ReleaseVersion};

/// The most faults that a walk lists; it counts all.
const MAX_BROKEN: usize = 100;

/// The slug's columns, for both statements below.
const SLUG_COLUMNS: &str = "slugs.digest AS slug_digest, slugs.content_digest AS slug_content_digest,
    slugs.size_bytes AS slug_size_bytes, slugs.stack AS slug_stack, slugs.stack_digest AS slug_stack_digest,
    slugs.commit_id AS slug_commit_id, slugs.process_types AS slug_process_types, slugs.language AS slug_language";

/// The same of an image. What runs for its process types is one text; quoted, so that no two lists give the same one.
const IMAGE_COLUMNS: &str = "oci_images.app_id AS image_app_id, oci_images.commit_id AS image_commit_id,
    (SELECT group_concat (quote (process_type) || quote (digest) || quote (image_id) || quote (run) || quote (command)
         || quote (working_dir), ',' ORDER BY process_type)
     FROM oci_image_process_types WHERE oci_image_id = oci_images.id) AS image_process_types";

/// What a walk along an app's ledger found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// How many releases there are.
    pub releases: u32,
    /// The newest one's hash, which stands for the whole ledger: whoever wrote it down sees also when the newest rows
    /// were taken away, which a chain alone can't tell.
    pub head: Option<String>,
    /// What is not as it was appended, at most [`MAX_BROKEN`] of it.
    pub broken: Vec<Broken>,
    /// How many more there are.
    pub left_out: u32,
}

/// A place where the ledger is not as it was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    pub version: ReleaseVersion,
    pub fault: Fault,
}

/// What is wrong there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The row, or its slug's or image's, does not give the hash that it carries.
    Changed,
    /// There is no such row, nor any up to and including the one named.
    Missing { to: ReleaseVersion },
    /// The row is whole, but does not name the hash of the one before: one of them was replaced.
    Detached,
    /// What became of the release is not what was recorded.
    Status,
    /// Its block is not what was recorded.
    Block,
}

/// The hash of a row about to be written.
pub(super) async fn hash(db: &mut Connection, row: &Row<'_>) -> Result<String, DbError> {
    let artifact = match row.new.artifact {
        Some(ArtifactId::Slug(id)) => {
            let sql = sqlx::AssertSqlSafe(format!("SELECT {SLUG_COLUMNS} FROM slugs WHERE id = ?"));
            slug_columns(&sqlx::query(sql).bind(id.to_string()).fetch_one(db).await?)?
        }
        Some(ArtifactId::OciImage(id)) => {
            let sql = sqlx::AssertSqlSafe(format!("SELECT {IMAGE_COLUMNS} FROM oci_images WHERE id = ?"));
            image_columns(&id.to_string(), &sqlx::query(sql).bind(id.to_string()).fetch_one(db).await?)?
        }
        None => Vec::new(),
    };
    let new = row.new;
    let mut fields = vec![
        row.previous_hash.to_owned(),
        row.id.to_string(),
        new.app.to_string(),
        row.version.to_string(),
        new.description.clone(),
        new.by.to_string(),
        row.slug().map(|id| id.to_string()).unwrap_or_default(),
        new.build.map(|id| id.to_string()).unwrap_or_default(),
        new.commit.as_ref().map(CommitId::as_str).unwrap_or_default().to_owned(),
        row::millis(new.at).to_string(),
    ];
    fields.extend(artifact);
    fields.extend(covered_addons(row.addons.to_owned()));
    Ok(digest(FORMAT, &fields, row.config))
}

/// Walks an app's ledger from v1, row by row, and names what is not as it was appended.
pub async fn verify(db: &mut Connection, app: AppId) -> Result<Verification, DbError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT releases.*, {SLUG_COLUMNS}, {IMAGE_COLUMNS} FROM releases LEFT JOIN slugs ON slugs.id = releases.slug_id
         LEFT JOIN oci_images ON oci_images.id = releases.oci_image_id
         WHERE releases.app_id = ? ORDER BY releases.version"
    ));
    let mut rows = sqlx::query(sql).bind(app.to_string()).fetch(&mut *db);
    let mut walk = Walk::default();
    while let Some(row) = rows.try_next().await? {
        // A column that does not hold what its type says was changed.
        walk.step(link(&row).ok());
    }
    drop(rows);
    for version in statuses::changed_statuses(db, app).await? {
        walk.find(version, Fault::Status);
    }
    for version in statuses::changed_blocks(db, app).await? {
        walk.find(version, Fault::Block);
    }
    Ok(walk.end())
}

/// What the walk needs of a row.
struct Link {
    version: u32,
    previous_hash: String,
    hash: String,
    /// What the row gives, in either format.
    computed: [String; 2],
}

/// The format of hashes: all of it, and the first one, which did not cover the slug.
const FORMAT: &str = "hoist release 2";
const FIRST_FORMAT: &str = "hoist release 1";

fn link(row: &SqliteRow) -> Result<Link, sqlx::Error> {
    let text = |column: &str| Ok::<String, sqlx::Error>(row.try_get::<Option<String>, _>(column)?.unwrap_or_default());
    let version: i64 = row.try_get("version")?;
    let previous_hash = text("previous_hash")?;
    let mut fields = vec![previous_hash.clone(), text("id")?, text("app_id")?, format!("v{version}"), text("description")?];
    for column in ["account_id", "slug_id", "build_id", "commit_id"] {
        fields.push(text(column)?);
    }
    fields.push(row.try_get::<i64, _>("created_at")?.to_string());
    let config: Vec<u8> = row.try_get("config")?;
    let addons = covered_addons(text("addons")?);
    let first = digest(FIRST_FORMAT, &[fields.clone(), Vec::from_iter(addons.clone())].concat(), &config);
    if !text("slug_id")?.is_empty() {
        fields.extend(slug_columns(row)?);
    }
    let image = text("oci_image_id")?;
    if !image.is_empty() {
        fields.extend(image_columns(&image, row)?);
    }
    fields.extend(addons);
    let computed = [digest(FORMAT, &fields, &config), first];
    let version = u32::try_from(version).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Link { version, previous_hash, hash: text("hash")?, computed })
}

/// The list of add-ons as the hash covers it.
fn covered_addons(addons: String) -> Option<String> {
    (addons != "[]").then_some(addons)
}

fn slug_columns(row: &SqliteRow) -> Result<Vec<String>, sqlx::Error> {
    let mut fields = vec![row.try_get::<Option<i64>, _>("slug_size_bytes")?.map(|size| size.to_string()).unwrap_or_default()];
    let names = ["digest", "content_digest", "stack", "stack_digest", "commit_id", "process_types", "language"];
    for name in names {
        fields.push(row.try_get::<Option<String>, _>(format!("slug_{name}").as_str())?.unwrap_or_default());
    }
    Ok(fields)
}

fn image_columns(id: &str, row: &SqliteRow) -> Result<Vec<String>, sqlx::Error> {
    let mut fields = vec![id.to_owned()];
    for name in ["image_app_id", "image_commit_id", "image_process_types"] {
        fields.push(row.try_get::<Option<String>, _>(name)?.unwrap_or_default());
    }
    Ok(fields)
}

/// SHA-256 over every field, each behind its length, so that no two rows give the same bytes.
pub(super) fn digest(format: &str, fields: &[String], config: &[u8]) -> String {
    let mut hasher = Sha256::new();
    for field in [format.as_bytes()].into_iter().chain(fields.iter().map(String::as_bytes)).chain([config]) {
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field);
    }
    Digest::from_bytes(hasher.finalize().into()).to_string()
}

/// The walk itself: pure.
#[derive(Default)]
struct Walk {
    releases: u32,
    version: u32,
    /// The hash that the last row carries, and those that it gives: if it was changed, the next row tells which is right.
    hashes: Vec<String>,
    head: Option<String>,
    broken: Vec<Broken>,
    left_out: u32,
}

impl Walk {
    /// Takes the next row; `None` when it can't be read.
    fn step(&mut self, link: Option<Link>) {
        self.releases += 1;
        let expected = self.version + 1;
        let Some(link) = link else {
            self.find(expected, Fault::Changed);
            (self.version, self.hashes, self.head) = (expected, Vec::new(), None);
            return;
        };
        let is_gap = link.version > expected;
        if is_gap {
            self.find(expected, Fault::Missing { to: ReleaseVersion(link.version - 1) });
        }
        // What an unreadable or a missing row carried is not known.
        let follows = is_gap || self.is_start_or_unknown(&link) || self.hashes.contains(&link.previous_hash);
        if !link.computed.contains(&link.hash) {
            self.find(link.version, Fault::Changed);
        } else if !follows {
            self.find(link.version, Fault::Detached);
        }
        (self.version, self.head) = (link.version, Some(link.hash.clone()));
        self.hashes = [link.hash].into_iter().chain(link.computed).collect();
    }

    fn is_start_or_unknown(&self, link: &Link) -> bool {
        self.hashes.is_empty() && (self.version > 0 || link.previous_hash.is_empty())
    }

    fn find(&mut self, version: u32, fault: Fault) {
        if self.broken.len() < MAX_BROKEN {
            self.broken.push(Broken { version: ReleaseVersion(version), fault });
        } else {
            self.left_out += 1;
        }
    }

    fn end(self) -> Verification {
        Verification { releases: self.releases, head: self.head, broken: self.broken, left_out: self.left_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row, told by its version, the hash that it names, the one that it carries and the one that it gives.
    fn row(version: u32, previous: &str, hash: &str, computed: &str) -> Link {
        Link {
            version,
            previous_hash: previous.into(),
            hash: hash.into(),
            computed: [computed.to_owned(), "first format".to_owned()],
        }
    }

    fn walk(rows: impl IntoIterator<Item = Link>) -> Vec<(u32, Fault)> {
        let mut walk = Walk::default();
        rows.into_iter().for_each(|row| walk.step(Some(row)));
        walk.end().broken.iter().map(|broken| (broken.version.0, broken.fault)).collect()
    }

    #[test]
    fn rows_older_than_add_ons_keep_their_hashes() {
        assert_eq!(covered_addons("[]".into()), None);
        for other in ["", "[ ]", "[{}]"] {
            assert_eq!(covered_addons(other.into()).as_deref(), Some(other));
        }
    }

    #[test]
    fn a_whole_chain_has_no_fault() {
        assert_eq!(walk([]), []);
        assert_eq!(walk([row(1, "", "a", "a"), row(2, "a", "b", "b"), row(3, "b", "c", "c")]), []);
    }

    #[test]
    fn each_fault_is_named_once() {
        let (one, three) = (|| row(1, "", "a", "a"), || row(3, "b", "c", "c"));
        assert_eq!(walk([one(), row(2, "a", "b", "x"), three()]), [(2, Fault::Changed)], "its content was changed");
        assert_eq!(walk([one(), row(2, "a", "x", "b"), three()]), [(2, Fault::Changed)], "its hash was changed");
        assert_eq!(walk([one(), row(2, "a", "x", "x"), three()]), [(3, Fault::Detached)], "both were");
        assert_eq!(walk([one(), three()]), [(2, Fault::Missing { to: ReleaseVersion(2) })]);
        assert_eq!(walk([three()]), [(1, Fault::Missing { to: ReleaseVersion(2) })]);
        assert_eq!(walk([row(1, "z", "a", "a")]), [(1, Fault::Detached)], "there is nothing before v1");
    }

    #[test]
    fn what_follows_an_unreadable_row_is_not_blamed_for_it() {
        let mut walk = Walk::default();
        for row in [Some(row(1, "", "a", "a")), None, Some(row(3, "b", "c", "c"))] {
            walk.step(row);
        }
        assert_eq!(walk.end().broken, [Broken { version: ReleaseVersion(2), fault: Fault::Changed }]);
    }

    #[test]
    fn a_ledger_in_ruins_gives_a_short_answer() {
        let mut walk = Walk::default();
        for version in 1..=MAX_BROKEN + 7 {
            walk.step(Some(row(u32::try_from(version).unwrap(), "", "a", "b")));
        }
        let found = walk.end();
        assert_eq!((found.broken.len(), found.left_out), (MAX_BROKEN, 7));
    }
}
