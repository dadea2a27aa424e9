use time::{Duration, OffsetDateTime};

use super::super::{Connection, Db, accounts, apps};
use super::manifests::{Child, StoredManifest};
use super::*;
use crate::model::{AccountId, App, BlobUploadId, Digest, ManifestType, Tag};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const MINUTE: Duration = Duration::MINUTE;

async fn world() -> (tempfile::TempDir, Db, Place, AccountId) {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).await.unwrap();
    let mut tx = db.write().await.unwrap();
    let owner = accounts::insert(&mut tx, &"a@example.com".parse().unwrap(), NOW).await.unwrap().id;
    let place = app(&mut tx, owner, "my-app").await;
    tx.commit().await.unwrap();
    (dir, db, place, owner)
}

async fn app(tx: &mut Connection, owner: AccountId, name: &str) -> Place {
    let stack = "debian-12".parse().unwrap();
    let app = App { id: AppId::new(), name: name.parse().unwrap(), owner, stack, created_at: NOW, updated_at: NOW };
    apps::insert(tx, &app).await.unwrap();
    Place { app: app.id, process_type: "web".parse().unwrap() }
}

fn digest(number: u8) -> Digest {
    Digest::from_bytes([number; 32])
}

fn manifest(number: u8) -> StoredManifest {
    StoredManifest {
        digest: digest(number),
        media_type: ManifestType::OciManifest,
        size_bytes: 7,
        artifact_type: Some("a/b".into()),
        subject: None,
        annotations: [("a".to_owned(), "b".to_owned())].into(),
        image_id: Some(digest(100)),
        pushed_at: NOW + MINUTE * u32::from(number),
    }
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_blob_is_its_repositorys() {
    let (_dir, db, place, owner) = world().await;
    let mut tx = db.write().await.unwrap();
    blobs::insert(&mut tx, &place, &digest(1), 5, NOW + MINUTE).await.unwrap();
    blobs::insert(&mut tx, &place, &digest(1), 5, NOW).await.unwrap();
    let other = Place { process_type: "worker".parse().unwrap(), ..place.clone() };
    assert_eq!(blobs::size(&mut tx, &place, &digest(1)).await.unwrap(), Some(5));
    assert_eq!(blobs::size(&mut tx, &other, &digest(1)).await.unwrap(), None);
    assert_eq!(blobs::used_at(&mut tx, &place, &digest(1)).await.unwrap(), Some(NOW + MINUTE), "the latest counts");
    assert!(blobs::touch(&mut tx, &place, &digest(1), NOW + MINUTE * 2).await.unwrap());
    assert_eq!(blobs::used_at(&mut tx, &place, &digest(1)).await.unwrap(), Some(NOW + MINUTE * 2));
    assert!(!blobs::touch(&mut tx, &other, &digest(1), NOW).await.unwrap());
    assert_eq!(blobs::apps_with(&mut tx, owner, &digest(1)).await.unwrap(), [(place.app, 5)]);
    assert_eq!(blobs::apps_with(&mut tx, AccountId::new(), &digest(1)).await.unwrap(), []);
    assert!(blobs::is_anywhere(&mut tx, &digest(1)).await.unwrap());
    assert!(blobs::delete(&mut tx, &place, &digest(1)).await.unwrap());
    assert!(!blobs::is_anywhere(&mut tx, &digest(1)).await.unwrap());
}

#[tokio::test]
async fn a_manifest_comes_back_with_what_it_is_made_of() {
    let (_dir, db, place, _) = world().await;
    let mut tx = db.write().await.unwrap();
    let children = [Child::Blob(digest(10)), Child::Manifest(digest(11))];
    for _ in 0..2 {
        manifests::insert(&mut tx, &place, &manifest(1), &children).await.unwrap();
    }
    manifests::insert(&mut tx, &place, &manifest(2), &[]).await.unwrap();
    assert_eq!(manifests::get(&mut tx, &place, &digest(1)).await.unwrap(), Some(manifest(1)));
    assert_eq!(manifests::children(&mut tx, &place, &digest(1)).await.unwrap(), children);
    assert_eq!(manifests::parent_of(&mut tx, &place, &digest(11)).await.unwrap(), Some(digest(1)));
    assert_eq!(manifests::by_image_id(&mut tx, &place, &digest(100)).await.unwrap(), Some(manifest(2)), "the newest");
    assert!(blobs::is_anywhere(&mut tx, &digest(1)).await.unwrap());

    tags::set(&mut tx, &place, &tag("latest"), &digest(1)).await.unwrap();
    assert!(manifests::delete(&mut tx, &place, &digest(1)).await.unwrap());
    assert_eq!(tags::get(&mut tx, &place, &tag("latest")).await.unwrap(), None);
    assert_eq!(manifests::parent_of(&mut tx, &place, &digest(11)).await.unwrap(), None);
    assert!(!manifests::delete(&mut tx, &place, &digest(1)).await.unwrap());
}

#[tokio::test]
async fn what_another_table_names_is_not_deleted() {
    let (_dir, db, place, _) = world().await;
    let mut tx = db.write().await.unwrap();
    manifests::insert(&mut tx, &place, &manifest(1), &[]).await.unwrap();
    for sql in [
        "CREATE TABLE naming (app_id TEXT, process_type TEXT, manifest TEXT,
         FOREIGN KEY (app_id, process_type, manifest) REFERENCES manifests (app_id, process_type, digest))",
        "INSERT INTO naming SELECT app_id, process_type, digest FROM manifests",
    ] {
        sqlx::query(sql).execute(&mut *tx).await.unwrap();
    }
    assert!(manifests::delete(&mut tx, &place, &digest(1)).await.unwrap_err().is_referred_to());
}

#[tokio::test]
async fn referrers_are_found_by_subject_and_type() {
    let (_dir, db, place, _) = world().await;
    let mut tx = db.write().await.unwrap();
    for (number, artifact_type) in [(3, "c/d"), (1, "a/b"), (2, "a/b")] {
        let referrer = StoredManifest { subject: Some(digest(9)), artifact_type: Some(artifact_type.into()), ..manifest(number) };
        manifests::insert(&mut tx, &place, &referrer, &[]).await.unwrap();
    }
    let mut found = async |artifact_type, last: Option<&Digest>, most| {
        let found = manifests::referrers(&mut tx, &place, &digest(9), artifact_type, last, most).await.unwrap();
        found.into_iter().map(|manifest| manifest.digest).collect::<Vec<_>>()
    };
    assert_eq!(found(None, None, 10).await, [digest(1), digest(2), digest(3)]);
    assert_eq!(found(Some("a/b"), None, 10).await, [digest(1), digest(2)]);
    assert_eq!(found(None, Some(&digest(1)), 1).await, [digest(2)]);
}

#[tokio::test]
async fn tags_are_listed_in_the_specifications_order() {
    let (_dir, db, place, owner) = world().await;
    let mut tx = db.write().await.unwrap();
    manifests::insert(&mut tx, &place, &manifest(1), &[]).await.unwrap();
    for name in ["b", "C", "a", "A", "_x"] {
        tags::set(&mut tx, &place, &tag(name), &digest(1)).await.unwrap();
    }
    let mut list = async |last, most| {
        let tags = tags::list(&mut tx, &place, last, most).await.unwrap();
        tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(list("", 9).await, "_x A a b C");
    assert_eq!(list("A", 2).await, "a b");
    assert_eq!(list("aa", 9).await, "b C", "one that is not there");
    assert!(tags::delete(&mut tx, &place, &tag("b")).await.unwrap());
    assert!(!tags::delete(&mut tx, &place, &tag("b")).await.unwrap());
    let repositories = tags::repositories(&mut tx, owner).await.unwrap();
    assert_eq!(repositories, [("my-app".parse().unwrap(), place.process_type.clone())]);
}

#[tokio::test]
async fn an_upload_is_there_until_it_ends() {
    let (_dir, db, place, _) = world().await;
    let mut tx = db.write().await.unwrap();
    let id = BlobUploadId::new();
    uploads::insert(&mut tx, id, &place, NOW).await.unwrap();
    assert_eq!(uploads::get(&mut tx, id).await.unwrap(), Some(place));
    assert_eq!(uploads::begun_before(&mut tx, NOW).await.unwrap(), []);
    assert_eq!(uploads::begun_before(&mut tx, NOW + MINUTE).await.unwrap(), [id]);
    assert!(uploads::delete(&mut tx, id).await.unwrap());
    assert!(!uploads::delete(&mut tx, id).await.unwrap());
}
