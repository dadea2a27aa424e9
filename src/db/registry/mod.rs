//! Images as clients push them: one file per table, `manifests` with what they are made of.
//!
//! No row here before its bytes are in the blob store: who inserts one has, inside the same write transaction, seen that
//! the file is there. Garbage collection removes a file only inside a write transaction that has seen that no row refers to it.
//! Only one transaction writes at a time, so that neither can come between the other's look and its deed.

pub mod blobs;
pub mod manifests;
pub mod tags;
pub mod uploads;

#[cfg(test)]
mod tests;

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Sqlite, query::Query};

use super::{DbError, row};
use crate::model::{AppId, ProcessType};

/// A repository's key: the app stays the same when it is renamed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    pub app: AppId,
    pub process_type: ProcessType,
}

impl Place {
    fn of(row: &SqliteRow) -> Result<Self, DbError> {
        Ok(Self { app: row::text(row, "app_id")?, process_type: row::text(row, "process_type")? })
    }
}

/// A statement whose first two parameters are a repository's.
fn at(sql: &'static str, place: &Place) -> Query<'static, Sqlite, SqliteArguments> {
    sqlx::query(sql).bind(place.app.to_string()).bind(place.process_type.to_string())
}

fn size(size_bytes: u64) -> i64 {
    i64::try_from(size_bytes).unwrap_or(i64::MAX)
}
