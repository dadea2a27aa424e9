//! Apps together with what is told of them: one statement for a whole page.

use std::ops::Bound;

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{Connection, DbError, TextWindow, apps, row};
use crate::model::{Account, AccountId, App, AppId, AppName, SourceRoot, StackName};

/// A living app, and what becomes of looking around it.
#[derive(Debug, Clone)]
pub struct AppDetails {
    pub app: App,
    pub owner: Account,
    /// When the current release was made.
    pub released_at: Option<OffsetDateTime>,
    /// What the current release runs on.
    pub stack: Option<StackName>,
    /// The current release's slug.
    pub slug: Option<SlugDetails>,
    /// Bytes of the packs pushed so far.
    pub repo_bytes: u64,
    /// The folder of the source that is built.
    pub root: Option<SourceRoot>,
    /// The app with whose pushes it is deployed.
    pub follows: Option<AppName>,
    /// Whether the slug is released again when nothing of what it is made of has changed.
    pub skips_unchanged: bool,
}

/// What an app's description says of its slug.
#[derive(Debug, Clone)]
pub struct SlugDetails {
    pub language: Option<String>,
    pub bytes: u64,
}

const SELECT: &str = "SELECT apps.*,
    accounts.email AS owner_email, accounts.name AS owner_name, accounts.created_at AS owner_created_at,
    current.created_at AS released_at, current.oci_image_id IS NOT NULL AS has_image,
    slugs.stack AS slug_stack, slugs.language AS slug_language, slugs.size_bytes AS slug_bytes,
    (SELECT COALESCE (SUM (bytes), 0) FROM packs WHERE packs.app_id = apps.id) AS repo_bytes,
    (SELECT followed.name FROM apps AS followed WHERE followed.id = apps.follows) AS followed_name
    FROM apps
    JOIN accounts ON accounts.id = apps.owner_id
    LEFT JOIN releases AS current ON current.app_id = apps.id
        AND current.version = (SELECT MAX (version) FROM succeeded_releases WHERE succeeded_releases.app_id = apps.id)
    LEFT JOIN slugs ON slugs.id = current.slug_id";

/// Describes one app.
pub async fn get(db: &mut Connection, id: AppId) -> Result<AppDetails, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE apps.id = ?"));
    details(&sqlx::query(sql).bind(id.to_string()).fetch_one(db).await?)
}

/// Describes the apps in the window among those that an account owns or collaborates on.
pub async fn page(db: &mut Connection, account: AccountId, window: &TextWindow) -> Result<Vec<AppDetails>, DbError> {
    let (conditions, order, most) = (window.conditions(), window.order.sql(), window.most);
    let column = window.column;
    // Each half has an index in the list's order, so that neither reads more than a page.
    let sql = sqlx::AssertSqlSafe(format!(
        "{SELECT} WHERE apps.id IN (
            SELECT id FROM (SELECT id FROM apps WHERE owner_id = ?1 AND destroyed_at IS NULL{conditions}
                ORDER BY {column} {order} LIMIT {most})
            UNION
            SELECT id FROM (SELECT id FROM apps WHERE id IN (SELECT app_id FROM collaborators WHERE account_id = ?1)
                AND destroyed_at IS NULL{conditions} ORDER BY {column} {order} LIMIT {most})
         ) ORDER BY apps.{column} {order} LIMIT {most}"
    ));
    let rows = sqlx::query(sql).bind(account.to_string()).bind(text(&window.from)).bind(text(&window.to)).fetch_all(db).await?;
    rows.iter().map(details).collect()
}

/// Describes those of the apps that an account owns or collaborates on; the others are passed over.
pub async fn among(db: &mut Connection, account: AccountId, ids: &[AppId]) -> Result<Vec<AppDetails>, DbError> {
    let ids = serde_json::to_string(ids).expect("a list of ids is JSON");
    let sql = sqlx::AssertSqlSafe(format!(
        "{SELECT} WHERE apps.id IN (SELECT value FROM json_each (?2)) AND apps.destroyed_at IS NULL
            AND (apps.owner_id = ?1 OR apps.id IN (SELECT app_id FROM collaborators WHERE account_id = ?1))"
    ));
    let rows = sqlx::query(sql).bind(account.to_string()).bind(ids).fetch_all(db).await?;
    rows.iter().map(details).collect()
}

fn text(bound: &Bound<String>) -> Option<&str> {
    match bound {
        Bound::Included(text) | Bound::Excluded(text) => Some(text),
        Bound::Unbounded => None,
    }
}

fn details(row: &SqliteRow) -> Result<AppDetails, DbError> {
    let app = apps::app(row)?;
    let owner = Account {
        id: app.owner,
        email: row::text(row, "owner_email")?,
        name: row.try_get("owner_name")?,
        created_at: row::time(row, "owner_created_at")?,
    };
    let of_slug: Option<StackName> = row::optional(row, "slug_stack")?;
    let slug = match &of_slug {
        Some(_) => Some(SlugDetails { language: row.try_get("slug_language")?, bytes: row::number(row, "slug_bytes")? }),
        None => None,
    };
    let stack = if row.try_get("has_image")? { Some(StackName::container()) } else { of_slug };
    let released_at = row::optional_time(row, "released_at")?;
    Ok(AppDetails {
        skips_unchanged: row.try_get("skip_unchanged")?,
        app,
        owner,
        released_at,
        stack,
        slug,
        repo_bytes: row::number(row, "repo_bytes")?,
        root: row::optional(row, "root")?,
        follows: row::optional(row, "followed_name")?,
    })
}
