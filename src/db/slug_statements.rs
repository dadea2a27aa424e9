//! What is said of slugs: the rows that name what the blob store keeps. Append-only, like the slugs.

use super::{Connection, DbError, row};
use crate::model::{SlugId, SlugStatement, StatementKind};

/// Records what is said of a slug. To be called in the transaction that records the slug.
pub async fn insert(db: &mut Connection, slug: SlugId, statement: &SlugStatement) -> Result<(), DbError> {
    sqlx::query("INSERT INTO slug_statements (slug_id, kind, digest, size_bytes) VALUES (?, ?, ?, ?)")
        .bind(slug.to_string())
        .bind(statement.kind.as_str())
        .bind(statement.digest.to_string())
        .bind(row::signed(statement.size_bytes))
        .execute(db)
        .await?;
    Ok(())
}

/// Finds what is said of a slug; none when it was made elsewhere, or before hoist kept such statements.
pub async fn get(db: &mut Connection, slug: SlugId, kind: StatementKind) -> Result<Option<SlugStatement>, DbError> {
    let query = sqlx::query("SELECT digest, size_bytes FROM slug_statements WHERE slug_id = ? AND kind = ?");
    let row = query.bind(slug.to_string()).bind(kind.as_str()).fetch_optional(db).await?;
    row.map(|row| Ok(SlugStatement { kind, digest: row::text(&row, "digest")?, size_bytes: row::number(&row, "size_bytes")? }))
        .transpose()
}
