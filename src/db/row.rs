//! From columns to checked types.

use std::str::FromStr;

use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::DbError;

/// Reads a text column as `T`.
pub(super) fn text<T: FromStr<Err: std::fmt::Display>>(row: &SqliteRow, column: &'static str) -> Result<T, DbError> {
    let text: String = row.try_get(column)?;
    text.parse().map_err(|why: T::Err| DbError::Corrupt { what: column, why: why.to_string() })
}

/// Reads a text column that holds JSON as `T`.
pub(super) fn json<T: DeserializeOwned>(row: &SqliteRow, column: &'static str) -> Result<T, DbError> {
    let text: String = row.try_get(column)?;
    serde_json::from_str(&text).map_err(|why| DbError::Corrupt { what: column, why: why.to_string() })
}

/// Reads a text column that may be NULL as `T`.
pub(super) fn optional<T: FromStr<Err: std::fmt::Display>>(row: &SqliteRow, column: &'static str) -> Result<Option<T>, DbError> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| text.parse().map_err(|why: T::Err| DbError::Corrupt { what: column, why: why.to_string() })).transpose()
}

/// Reads a non-negative number column as `T`.
pub(super) fn number<T: TryFrom<i64>>(row: &SqliteRow, column: &'static str) -> Result<T, DbError> {
    let number: i64 = row.try_get(column)?;
    T::try_from(number).map_err(|_| DbError::Corrupt { what: column, why: format!("{number} is out of range") })
}

/// Reads a time column.
pub(super) fn time(row: &SqliteRow, column: &'static str) -> Result<OffsetDateTime, DbError> {
    from_millis(row.try_get(column)?, column)
}

/// Reads a time column that may be NULL.
pub(super) fn optional_time(row: &SqliteRow, column: &'static str) -> Result<Option<OffsetDateTime>, DbError> {
    row.try_get::<Option<i64>, _>(column)?.map(|millis| from_millis(millis, column)).transpose()
}

fn from_millis(millis: i64, what: &'static str) -> Result<OffsetDateTime, DbError> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .map_err(|why| DbError::Corrupt { what, why: why.to_string() })
}

/// The form in which times are stored.
pub(super) fn millis(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).expect("years up to 9999 fit")
}

/// The form in which numbers are stored that have no sign: SQLite has none without.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
