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
        self.transaction.commit().await?;
        self.commits.send_replace(());
        Ok(())
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
