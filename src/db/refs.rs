//! The refs of an app's repository.

use sqlx::Row as _;

use super::{Connection, DbError, row};
use crate::model::{AppId, CommitId, Invalid, RefName};

/// Lists the app's refs by name, as git advertises them.
///
/// As one text: a row is handed from thread to thread, which for thousands of refs takes longer than all else of telling them.
pub async fn list(db: &mut Connection, app: AppId) -> Result<Vec<(RefName, CommitId)>, DbError> {
    let row =
        sqlx::query("SELECT group_concat(commit_id || ' ' || name, char(10) ORDER BY name) AS list FROM refs WHERE app_id = ?")
            .bind(app.to_string())
            .fetch_one(db)
            .await?;
    let list: Option<String> = row.try_get("list")?;
    list.iter().flat_map(|list| list.lines()).map(read_line).collect()
}

/// Neither an id nor a name has a space or a line's end in it.
fn read_line(line: &str) -> Result<(RefName, CommitId), DbError> {
    let bad = |Invalid(why): Invalid| DbError::Corrupt { what: "ref", why };
    let (commit, name) = line.split_once(' ').ok_or_else(|| bad(Invalid(format!("`{line}` has no name"))))?;
    Ok((name.parse().map_err(bad)?, commit.parse().map_err(bad)?))
}

/// Reads one ref.
pub async fn get(db: &mut Connection, app: AppId, name: &RefName) -> Result<Option<CommitId>, DbError> {
    let row = sqlx::query("SELECT commit_id FROM refs WHERE app_id = ? AND name = ?")
        .bind(app.to_string())
        .bind(name.as_str())
        .fetch_optional(db)
        .await?;
    row.as_ref().map(|row| row::text(row, "commit_id")).transpose()
}

/// Moves one ref if it still has the value `old` (`None`: does not exist), creating or deleting it as needed, and
/// tells whether it did.
pub async fn compare_and_set(
    db: &mut Connection,
    app: AppId,
    name: &RefName,
    old: Option<&CommitId>,
    new: Option<&CommitId>,
) -> Result<bool, DbError> {
    if get(db, app, name).await?.as_ref() != old {
        return Ok(false);
    }
    let query = match new {
        Some(new) => sqlx::query(
            "INSERT INTO refs (app_id, name, commit_id) VALUES (?, ?, ?) ON CONFLICT (app_id, name) DO UPDATE SET commit_id = excluded.commit_id",
        )
        .bind(app.to_string())
        .bind(name.as_str())
        .bind(new.as_str()),
        None => sqlx::query("DELETE FROM refs WHERE app_id = ? AND name = ?").bind(app.to_string()).bind(name.as_str()),
    };
    query.execute(db).await?;
    Ok(true)
}
