//! Connections of apps and pipelines to repositories on forges. Their secrets are kept encrypted. Those of destroyed apps and
//! pipelines are removed with them.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{Cipher, DbError, row};
use crate::model::{
    AppId, Connected, Connection, ConnectionId, ConnectionSecrets, NamedRepository, PipelineId, Provider, Secret,
};

/// Adds a connection. Fails with [`DbError::is_taken`] when the app or the pipeline has one already.
pub async fn insert(
    db: &mut super::Connection,
    cipher: &Cipher,
    connection: &Connection,
    secrets: &ConnectionSecrets,
) -> Result<(), DbError> {
    let sealed = Sealed::new(cipher, connection.id, secrets);
    let (app, pipeline) = match connection.of {
        Connected::App(app) => (Some(app.to_string()), None),
        Connected::Pipeline(pipeline) => (None, Some(pipeline.to_string())),
    };
    sqlx::query(
        "INSERT INTO connections (id, app_id, pipeline_id, account_id, provider, full_name, clone_url, known_hosts, branch,
           auto_deploy, wait_for_ci, is_proved, webhook_secret, token, deploy_key, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(connection.id.to_string())
    .bind(app)
    .bind(pipeline)
    .bind(connection.by.to_string())
    .bind(connection.provider.as_str())
    .bind(connection.full_name.as_str())
    .bind(&connection.clone_url)
    .bind(connection.known_hosts.as_deref())
    .bind(connection.branch.as_ref().map(ToString::to_string))
    .bind(connection.auto_deploy)
    .bind(connection.wait_for_ci)
    .bind(connection.is_proved)
    .bind(sealed.webhook_secret)
    .bind(sealed.token)
    .bind(sealed.deploy_key)
    .bind(row::millis(connection.created_at))
    .bind(row::millis(connection.updated_at))
    .execute(db)
    .await?;
    Ok(())
}

/// Replaces everything of a connection that can be changed: all but the repository and what it is connected to. Of one that has
/// been proved, the repository's number is forgotten: whoever knew the connection's own secret could say which one it is.
pub async fn update(
    db: &mut super::Connection,
    cipher: &Cipher,
    connection: &Connection,
    secrets: &ConnectionSecrets,
) -> Result<(), DbError> {
    let sealed = Sealed::new(cipher, connection.id, secrets);
    sqlx::query(
        "UPDATE connections SET account_id = ?, clone_url = ?, known_hosts = ?, branch = ?, auto_deploy = ?, wait_for_ci = ?,
           repository_id = CASE WHEN is_proved < ? THEN NULL ELSE repository_id END, is_proved = ?, webhook_secret = ?,
           token = ?, deploy_key = ?, updated_at = ? WHERE id = ?",
    )
    .bind(connection.by.to_string())
    .bind(&connection.clone_url)
    .bind(connection.known_hosts.as_deref())
    .bind(connection.branch.as_ref().map(ToString::to_string))
    .bind(connection.auto_deploy)
    .bind(connection.wait_for_ci)
    .bind(connection.is_proved)
    .bind(connection.is_proved)
    .bind(sealed.webhook_secret)
    .bind(sealed.token)
    .bind(sealed.deploy_key)
    .bind(row::millis(connection.updated_at))
    .bind(connection.id.to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// Has pushes not deployed any more if nothing of the connection's own lets hoist in; returns how many connections that are.
pub async fn stop_without_secrets(db: &mut super::Connection, id: ConnectionId, at: OffsetDateTime) -> Result<u64, DbError> {
    let stopped = sqlx::query(
        "UPDATE connections SET auto_deploy = FALSE, updated_at = ?
         WHERE id = ? AND auto_deploy AND token IS NULL AND deploy_key IS NULL",
    )
    .bind(row::millis(at))
    .bind(id.to_string())
    .execute(db)
    .await?;
    Ok(stopped.rows_affected())
}

/// Removes the connection of an app or a pipeline, with what was told and what was to be deployed over it.
pub async fn delete_of(db: &mut super::Connection, of: Connected) -> Result<(), DbError> {
    let query = match of {
        Connected::App(app) => sqlx::query("DELETE FROM connections WHERE app_id = ?").bind(app.to_string()),
        Connected::Pipeline(pipeline) => sqlx::query("DELETE FROM connections WHERE pipeline_id = ?").bind(pipeline.to_string()),
    };
    query.execute(db).await?;
    Ok(())
}

/// Finds a connection.
pub async fn get(db: &mut super::Connection, id: ConnectionId) -> Result<Option<Connection>, DbError> {
    let query = sqlx::query("SELECT * FROM connections WHERE id = ?").bind(id.to_string());
    query.fetch_optional(db).await?.as_ref().map(connection).transpose()
}

/// Finds an app's connection.
pub async fn of_app(db: &mut super::Connection, app: AppId) -> Result<Option<Connection>, DbError> {
    let query = sqlx::query("SELECT * FROM connections WHERE app_id = ?").bind(app.to_string());
    query.fetch_optional(db).await?.as_ref().map(connection).transpose()
}

/// Finds a pipeline's connection.
pub async fn of_pipeline(db: &mut super::Connection, pipeline: PipelineId) -> Result<Option<Connection>, DbError> {
    let query = sqlx::query("SELECT * FROM connections WHERE pipeline_id = ?").bind(pipeline.to_string());
    query.fetch_optional(db).await?.as_ref().map(connection).transpose()
}

/// Lists what is connected to a repository, by its number or its name, oldest first; with the number by which it is known, if it
/// was heard of. Repositories of the same name may be on several forges: only a connection's secret tells whether it is the one
/// that is meant.
pub async fn by_repository(
    db: &mut super::Connection,
    provider: Provider,
    repository: &NamedRepository,
) -> Result<Vec<(Connection, Option<i64>)>, DbError> {
    let query = sqlx::query(
        "SELECT * FROM connections WHERE provider = ?1 AND (full_name = ?2 OR repository_id = ?3) ORDER BY created_at, id",
    );
    let query = query.bind(provider.as_str()).bind(repository.full_name.as_str()).bind(repository.id);
    let rows = query.fetch_all(db).await?;
    rows.iter().map(|row| Ok((connection(row)?, row.try_get("repository_id")?))).collect()
}

/// Remembers what a connection's repository is called, its number, if it is told, and where it is fetched from.
pub async fn set_repository(
    db: &mut super::Connection,
    id: ConnectionId,
    repository: &NamedRepository,
    clone_url: &str,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE connections SET full_name = ?1, repository_id = COALESCE (?2, repository_id), clone_url = ?3, updated_at = ?4
         WHERE id = ?5 AND (full_name <> ?1 OR repository_id IS NOT COALESCE (?2, repository_id))",
    )
    .bind(repository.full_name.as_str())
    .bind(repository.id)
    .bind(clone_url)
    .bind(row::millis(at))
    .bind(id.to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// Decrypts a connection's secrets; `None` when the connection is gone.
pub async fn secrets(
    db: &mut super::Connection,
    cipher: &Cipher,
    id: ConnectionId,
) -> Result<Option<ConnectionSecrets>, DbError> {
    let row = sqlx::query("SELECT webhook_secret, token, deploy_key FROM connections WHERE id = ?").bind(id.to_string());
    let Some(row) = row.fetch_optional(db).await? else { return Ok(None) };
    let open = |what, sealed: &[u8]| {
        let bad = || DbError::Corrupt { what, why: format!("it can't be opened with this key (connection {id})") };
        let plain = cipher.open_sealed(&context(id, what), sealed).ok_or_else(bad)?;
        String::from_utf8(plain).map(Secret::new).map_err(|_| bad())
    };
    let open_optional = |what, sealed: Option<Vec<u8>>| sealed.map(|sealed| open(what, &sealed)).transpose();
    Ok(Some(ConnectionSecrets {
        webhook_secret: open(WEBHOOK_SECRET, &row.try_get::<Vec<u8>, _>("webhook_secret")?)?,
        token: open_optional(TOKEN, row.try_get("token")?)?,
        deploy_key: open_optional(DEPLOY_KEY, row.try_get("deploy_key")?)?,
    }))
}

const WEBHOOK_SECRET: &str = "connection's webhook secret";
const TOKEN: &str = "connection's token";
const DEPLOY_KEY: &str = "connection's deploy key";

/// A connection's secrets as they are kept.
struct Sealed {
    webhook_secret: Vec<u8>,
    token: Option<Vec<u8>>,
    deploy_key: Option<Vec<u8>>,
}

impl Sealed {
    fn new(cipher: &Cipher, id: ConnectionId, secrets: &ConnectionSecrets) -> Self {
        let seal = |what, secret: &Secret| cipher.seal(&context(id, what), secret.expose().as_bytes());
        Self {
            webhook_secret: seal(WEBHOOK_SECRET, &secrets.webhook_secret),
            token: secrets.token.as_ref().map(|token| seal(TOKEN, token)),
            deploy_key: secrets.deploy_key.as_ref().map(|key| seal(DEPLOY_KEY, key)),
        }
    }
}

/// In which place alone a secret can be opened.
fn context(id: ConnectionId, what: &str) -> String {
    format!("{what} {id}")
}

fn connection(row: &SqliteRow) -> Result<Connection, DbError> {
    let of = match row::optional(row, "app_id")? {
        Some(app) => Connected::App(app),
        None => Connected::Pipeline(row::text(row, "pipeline_id")?),
    };
    Ok(Connection {
        id: row::text(row, "id")?,
        of,
        by: row::text(row, "account_id")?,
        provider: row::text(row, "provider")?,
        full_name: row::text(row, "full_name")?,
        clone_url: row.try_get("clone_url")?,
        known_hosts: row.try_get("known_hosts")?,
        branch: row::optional(row, "branch")?,
        auto_deploy: row.try_get("auto_deploy")?,
        wait_for_ci: row.try_get("wait_for_ci")?,
        is_proved: row.try_get("is_proved")?,
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
    })
}

#[cfg(test)]
mod tests;
