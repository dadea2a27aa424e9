//! Packs become fewer, and nothing is lost but what nothing leads to.

use hoist::db;
use hoist::git::Repo;
use hoist::repos::{self, Folded, UpkeepError};
use time::Duration;

use super::{Yard, copy_dir, fsck, open_repo, pack_dir};
use crate::harness::{Daemon, until};

#[tokio::test]
async fn many_small_packs_become_one() {
    let yard = Yard::with_pushes().await;
    let bytes = yard.pack_bytes();
    assert_eq!((yard.packs().len(), repos::due_to_fold(&yard.db).await.unwrap()), (12, vec![yard.app.id]));
    let folded = repos::fold(&yard.db, &yard.repo, yard.app.id, yard.start).await.unwrap();
    assert_eq!(folded, Some(Folded { packs: 12, bytes }));
    assert_eq!(yard.fsck().await, yard.objects_of(&["main"]));
    assert_eq!(yard.packs().len(), 1);
    assert!(yard.pack_bytes() < bytes, "bases that the pushes had in common are there once, and deltas are still deltas");
    let files = yard.pack_dir().read_dir().unwrap().count();
    assert_eq!(files, 4, "the pack, its index and what lies beside them");
    assert_eq!(repos::fold(&yard.db, &yard.repo, yard.app.id, yard.start).await.unwrap(), None);
    assert_eq!(repos::due_to_fold(&yard.db).await.unwrap(), []);
    yard.push_change(12).await;
    assert_eq!(yard.fsck().await, yard.objects_of(&["main"]), "a push builds upon it");
}

/// Who looked for old packs before somebody else had the repository must look again.
#[tokio::test]
async fn a_pack_that_is_no_longer_old_stays() {
    let yard = Yard::new().await;
    yard.push_change(0).await;
    let (pack, _) = yard.repo.packs().unwrap().remove(0);
    repos::remove_old(&yard.db, &yard.repo, yard.app.id, pack.clone()).await.unwrap();
    assert_eq!(yard.packs(), [pack.as_str()]);

    let mut tx = yard.db.write().await.unwrap();
    db::packs::remove(&mut tx, yard.app.id, pack.as_str()).await.unwrap();
    db::old_packs::insert(&mut tx, yard.app.id, pack.as_str()).await.unwrap();
    tx.commit().await.unwrap();
    repos::remove_old(&yard.db, &yard.repo, yard.app.id, pack).await.unwrap();
    assert!(yard.packs().is_empty() && repos::to_remove(&yard.db).await.unwrap().is_empty());
}

/// What is large is left alone until there is as much again.
#[tokio::test]
async fn a_large_pack_is_not_written_again() {
    let yard = Yard::new().await;
    yard.push_big_branch(300_000).await;
    let large = yard.packs();
    for number in 0..11 {
        yard.push_change(number).await;
    }
    let folded = repos::fold(&yard.db, &yard.repo, yard.app.id, yard.start).await.unwrap().unwrap();
    assert_eq!(folded.packs, 11);
    assert!(yard.packs().len() == 2 && yard.packs().contains(&large[0]), "{:?}", yard.packs());
    assert_eq!(yard.fsck().await, yard.objects_of(&["main", "big"]));
}

#[tokio::test]
async fn what_no_ref_has_led_to_for_two_weeks_goes() {
    let yard = Yard::new().await;
    yard.push_change(0).await;
    yard.push_big_branch(300_000).await;
    let big = yard.id("big");
    yard.set_ref("refs/heads/big", None).await;
    let later = |days| yard.start + Duration::days(days);
    let drop_at = async |at| repos::drop_unreachable(&yard.db, &yard.repo, yard.app.id, at).await.unwrap();

    assert_eq!(repos::due_to_drop(&yard.db, later(13)).await.unwrap(), []);
    assert_eq!(drop_at(later(13)).await, None);
    yard.set_ref("refs/heads/again", Some(&big)).await;
    assert_eq!(yard.fsck().await, yard.objects_of(&["main", "big"]), "it can be had back");
    yard.set_ref("refs/heads/again", None).await;

    assert_eq!(repos::due_to_drop(&yard.db, later(15)).await.unwrap(), [yard.app.id]);
    assert!(drop_at(later(15)).await.is_some_and(|dropped| dropped.bytes > 300_000));
    assert!(yard.pack_bytes() < 10_000);
    assert_eq!(yard.fsck().await, yard.objects_of(&["main"]));
    assert_eq!(repos::due_to_drop(&yard.db, later(15)).await.unwrap(), []);
    yard.push("refs/heads/big").await;
    assert_eq!(yard.fsck().await, yard.objects_of(&["main", "big"]), "it can be pushed again");
}

/// Without a single ref there is nothing to keep.
#[tokio::test]
async fn the_last_pack_goes_too() {
    let yard = Yard::new().await;
    yard.push_change(0).await;
    yard.set_ref("refs/heads/main", None).await;
    let later = yard.start + Duration::days(15);
    assert!(repos::drop_unreachable(&yard.db, &yard.repo, yard.app.id, later).await.unwrap().is_some());
    assert_eq!((yard.packs(), yard.recorded().await), (vec![], vec![]));
}

/// Writing a hundred megabytes again to be rid of ten bytes is no upkeep.
#[tokio::test]
async fn a_little_is_not_worth_it() {
    let yard = Yard::new().await;
    yard.push_big_branch(300_000).await;
    yard.tree.git(&["checkout", "-q", "--orphan", "small"]);
    yard.tree.commit("small");
    yard.push("refs/heads/small").await;
    yard.set_ref("refs/heads/small", None).await;
    let (before, later) = (yard.packs(), yard.start + Duration::days(15));
    assert_eq!(repos::drop_unreachable(&yard.db, &yard.repo, yard.app.id, later).await.unwrap(), None);
    assert_eq!((yard.packs(), repos::due_to_drop(&yard.db, later).await.unwrap()), (before, vec![]));
}

/// A disk that gives other bytes than it was given: the copy would not be the same, so that the packs stay as they are.
#[tokio::test]
async fn damaged_packs_are_left_alone() {
    let yard = Yard::with_pushes().await;
    let victim = yard.pack_dir().join(format!("{}.pack", yard.packs()[0]));
    let mut bytes = std::fs::read(&victim).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    std::fs::remove_file(&victim).unwrap();
    std::fs::write(&victim, bytes).unwrap();
    let before = yard.packs();
    let error = repos::fold(&yard.db, &yard.repo, yard.app.id, yard.start).await.unwrap_err();
    assert!(matches!(error, UpkeepError::Compact(_)), "{error:?}");
    assert_eq!(yard.packs(), before);
    let repo = yard.pack_dir().parent().unwrap().parent().unwrap().to_owned();
    let left: Vec<_> = repo.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["objects"], "nothing is left of the attempt");
}

/// Killed wherever it stands: the next start has all objects, goes on, and leaves no file too many.
#[test]
fn a_kill_loses_nothing_and_leaves_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let yard = runtime.block_on(Yard::with_pushes());
    let (objects, refs) = (yard.objects_of(&["main"]), runtime.block_on(yard.refs()));
    runtime.block_on(yard.db.close());
    for moment in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(yard.dir.path(), dir.path());
        let mut daemon = Daemon::start_in(dir);
        let repo = open_repo(daemon.data_dir(), yard.app.id);
        let count = || repo.packs().unwrap().len();
        match moment {
            // At once, while the copy is being made, and while it takes the place of the others.
            0 => {}
            1 => until(|| has_quarantine(&daemon, &yard) || count() < 12),
            2 => until(|| count() != 12),
            3 => until(|| count() < 12),
            _ => until(|| count() == 1),
        }
        daemon.kill_and_restart();
        let db = runtime.block_on(db::Db::open(daemon.data_dir())).unwrap();
        until(|| count() == 1 && runtime.block_on(is_settled(&db, &repo, &yard)));
        // The folder of the copy goes after all else.
        until(|| !has_quarantine(&daemon, &yard));
        daemon.kill();
        assert_eq!(fsck(daemon.data_dir(), yard.app.id, &refs), objects, "at moment {moment}");
        assert_eq!(pack_dir(daemon.data_dir(), yard.app.id).read_dir().unwrap().count(), 4, "at moment {moment}");
    }
}

fn has_quarantine(daemon: &Daemon, yard: &Yard) -> bool {
    let repo = daemon.data_dir().join(format!("repos/{}", yard.app.id));
    repo.read_dir().unwrap().any(|entry| entry.unwrap().file_name().as_encoded_bytes().starts_with(b"incoming-"))
}

/// Whether what is recorded is what is there, and nothing is to be removed.
async fn is_settled(db: &db::Db, repo: &Repo, yard: &Yard) -> bool {
    let mut recorded = db::packs::list(&mut db.read().await.unwrap(), yard.app.id).await.unwrap();
    recorded.sort();
    let there: Vec<_> = repo.packs().unwrap().into_iter().map(|(name, _)| name.as_str().to_owned()).collect();
    recorded == there && repos::to_remove(db).await.unwrap().is_empty()
}

/// What nobody had recorded when hoist was killed goes at the next start; what is recorded stays, whatever else is said of it.
#[test]
fn a_start_removes_what_is_to_be_removed() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let yard = runtime.block_on(async {
        let yard = Yard::new().await;
        yard.push_change(0).await;
        yard.push_change(1).await;
        yard
    });
    let [kept, goes] = [&yard.packs()[0], &yard.packs()[1]].map(Clone::clone);
    runtime.block_on(async {
        let mut tx = yard.db.write().await.unwrap();
        for pack in [&kept, &goes] {
            db::packs::remove(&mut tx, yard.app.id, pack).await.unwrap();
            db::old_packs::insert(&mut tx, yard.app.id, pack).await.unwrap();
        }
        // The same objects are pushed again.
        db::packs::insert(&mut tx, yard.app.id, &kept, 1, 1, yard.start).await.unwrap();
        tx.commit().await.unwrap();
        yard.db.close().await;
    });
    let mut daemon = Daemon::start_in(yard.dir);
    daemon.kill();
    let left = open_repo(daemon.data_dir(), yard.app.id).packs().unwrap();
    assert_eq!(left.into_iter().map(|(name, _)| name.as_str().to_owned()).collect::<Vec<_>>(), [kept]);
}
