//! Locks: one account at a time changes a file. Git LFS's client is what heeds them, before it pushes.

use time::OffsetDateTime;

use crate::db::lfs_locks::{self, Lock, Wanted};
use crate::db::{Db, DbError};
use crate::model::{AccountId, AppId, LfsLockId, LockPath};

/// Most files of one app that are locked at once.
const MOST: u64 = 10_000;
/// Most locks of one answer.
const MOST_LISTED: u32 = 100;

/// Why a file was not locked, or not given free.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// By this one.
    #[error("{} is locked by {}", .0.path, .0.email)]
    Locked(Box<Lock>),
    #[error("at most {MOST} files of an app can be locked")]
    TooMany,
    #[error("there is no such lock")]
    NoSuchLock,
    /// It is this one's.
    #[error("the lock of {} is {}'s: unlock it with --force, if you must", .0.path, .0.email)]
    Foreign(Box<Lock>),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Whether somebody may take another's lock away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlock {
    Own,
    Anybodys,
}

/// Some of an app's locks, in the order of their paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub locks: Vec<Lock>,
    /// There are more, behind this path.
    pub next: Option<String>,
}

/// Locks a file.
pub async fn lock(db: &Db, app: AppId, path: &LockPath, by: AccountId, now: OffsetDateTime) -> Result<Lock, LockError> {
    let mut tx = db.write().await?;
    let of_path = Wanted { path: Some(path.as_str()), ..Wanted::default() };
    if let Some(lock) = lfs_locks::list(&mut tx, app, &of_path, 1).await?.pop() {
        return Err(LockError::Locked(lock.into()));
    }
    if lfs_locks::count(&mut tx, app).await? >= MOST {
        return Err(LockError::TooMany);
    }
    lfs_locks::insert(&mut tx, app, LfsLockId::new(), path, by, now).await?;
    let made = lfs_locks::list(&mut tx, app, &of_path, 1).await?.pop().ok_or(LockError::NoSuchLock)?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(made)
}

/// Gives a file free and returns what was its lock.
pub async fn unlock(db: &Db, app: AppId, id: LfsLockId, by: AccountId, unlock: Unlock) -> Result<Lock, LockError> {
    let mut tx = db.write().await?;
    let of_id = Wanted { id: Some(id), ..Wanted::default() };
    let lock = lfs_locks::list(&mut tx, app, &of_id, 1).await?.pop().ok_or(LockError::NoSuchLock)?;
    if lock.owner != by && unlock == Unlock::Own {
        return Err(LockError::Foreign(lock.into()));
    }
    lfs_locks::delete(&mut tx, id).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(lock)
}

/// Lists locks, at most so many as one answer has room for, and no more than `limit`.
pub async fn list_locks(db: &Db, app: AppId, wanted: &Wanted<'_>, limit: Option<u32>) -> Result<Page, DbError> {
    let most = limit.unwrap_or(MOST_LISTED).clamp(1, MOST_LISTED);
    let mut locks = lfs_locks::list(&mut *db.read().await?, app, wanted, most + 1).await?;
    let has_more = locks.len() > most as usize;
    locks.truncate(most as usize);
    let next = locks.last().filter(|_| has_more).map(|last| last.path.to_string());
    Ok(Page { locks, next })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{accounts, apps};
    use crate::model::App;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    /// A database with two apps of Alice's; Alice and Bob.
    async fn world() -> (tempfile::TempDir, Db, [AppId; 2], [AccountId; 2]) {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path()).await.unwrap();
        let mut tx = db.write().await.unwrap();
        let alice = accounts::insert(&mut tx, &"a@example.com".parse().unwrap(), NOW).await.unwrap().id;
        let bob = accounts::insert(&mut tx, &"b@example.com".parse().unwrap(), NOW).await.unwrap().id;
        let mut ids = Vec::new();
        for name in ["shop", "other"] {
            let stack = "debian-12".parse().unwrap();
            let app =
                App { id: AppId::new(), name: name.parse().unwrap(), owner: alice, stack, created_at: NOW, updated_at: NOW };
            apps::insert(&mut tx, &app).await.unwrap();
            ids.push(app.id);
        }
        tx.commit().await.unwrap();
        (dir, db, [ids[0], ids[1]], [alice, bob])
    }

    fn path(text: &str) -> LockPath {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_file_is_locked_once_and_by_its_owner_given_free() {
        let (_dir, db, [shop, other], [alice, bob]) = world().await;
        let made = lock(&db, shop, &path("a.psd"), alice, NOW).await.unwrap();
        let taken = lock(&db, shop, &path("a.psd"), bob, NOW).await.unwrap_err();
        assert_eq!(taken.to_string(), "a.psd is locked by a@example.com");
        lock(&db, other, &path("a.psd"), bob, NOW).await.expect("each app has its own");
        let foreign = unlock(&db, shop, made.id, bob, Unlock::Own).await.unwrap_err();
        assert!(matches!(foreign, LockError::Foreign(_)), "{foreign}");
        let elsewhere = unlock(&db, other, made.id, alice, Unlock::Anybodys).await.unwrap_err();
        assert!(matches!(elsewhere, LockError::NoSuchLock), "{elsewhere}");
        assert_eq!(unlock(&db, shop, made.id, bob, Unlock::Anybodys).await.unwrap(), made);
        lock(&db, shop, &path("a.psd"), bob, NOW).await.unwrap();
    }

    #[tokio::test]
    async fn locks_are_listed_page_by_page() {
        let (_dir, db, [shop, _], [alice, _]) = world().await;
        for name in ["c", "a", "b"] {
            lock(&db, shop, &path(name), alice, NOW).await.unwrap();
        }
        let paths = |page: &Page| page.locks.iter().map(|lock| lock.path.to_string()).collect::<Vec<_>>();
        let first = list_locks(&db, shop, &Wanted::default(), Some(2)).await.unwrap();
        assert_eq!((paths(&first), first.next.as_deref()), (vec!["a".into(), "b".into()], Some("b")));
        let rest = Wanted { behind: first.next.as_deref(), ..Wanted::default() };
        let last = list_locks(&db, shop, &rest, Some(2)).await.unwrap();
        assert_eq!((paths(&last), last.next), (vec!["c".into()], None));
        let one = Wanted { path: Some("b"), ..Wanted::default() };
        assert_eq!(paths(&list_locks(&db, shop, &one, None).await.unwrap()), ["b"]);
    }

    #[tokio::test]
    async fn a_destroyed_app_has_none() {
        let (_dir, db, [shop, _], [alice, _]) = world().await;
        lock(&db, shop, &path("a"), alice, NOW).await.unwrap();
        let mut tx = db.write().await.unwrap();
        apps::destroy(&mut tx, shop, alice, NOW).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(list_locks(&db, shop, &Wanted::default(), None).await.unwrap().locks, []);
    }
}
