//! The one transaction that writes.

use std::ops::{Deref, DerefMut};

use sqlx::{Sqlite, Transaction};
use tokio::sync::watch;

use super::Connection;

/// A transaction that may write. Dropped without `commit`, it leaves no trace.
#[derive(Debug)]
pub struct Write {
    transaction: Transaction<'static, Sqlite>,
    commits: watch::Sender<()>,
}

impl Write {
    pub(super) fn new(transaction: Transaction<'static, Sqlite>, commits: watch::Sender<()>) -> Self {
        Self { transaction, commits }
    }

    /// Makes it so, for this process's readers and after a power cut, and tells those who wait for rows.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        let Self { transaction, commits } = self;
        // In a task of its own: who waits here may be dropped (its client has hung up) when it is so, but not yet told.
        let committing = tokio::spawn(async move {
            transaction.commit().await?;
            commits.send_replace(());
            Ok(())
        });
        committing.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }
}

impl Deref for Write {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.transaction
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.transaction
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::poll_immediate;
    use tokio::time::timeout;

    use crate::db::Db;

    #[tokio::test]
    async fn a_commit_is_told_though_nobody_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path()).await.unwrap();
        let mut commits = db.commits();
        let tx = db.write().await.unwrap();
        assert!(poll_immediate(Box::pin(tx.commit())).await.is_none(), "it takes a while");
        timeout(Duration::from_secs(30), commits.changed()).await.expect("nobody was told").unwrap();
    }
}
