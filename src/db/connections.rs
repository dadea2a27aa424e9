//! Connections of apps and pipelines to repositories on forges. Their secrets are kept encrypted. Those of destroyed apps and
//! pipelines are removed with them.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{Cipher, DbError, row};
use crate::model::{AppId, Connected, Connection, ConnectionId, ConnectionSecrets, FullName, PipelineId, Provider, Secret};

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
           auto_deploy, wait_for_ci, webhook_secret, token, deploy_key, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
    .bind(sealed.webhook_secret)
    .bind(sealed.token)
    .bind(sealed.deploy_key)
    .bind(row::millis(connection.created_at))
    .bind(row::millis(connection.updated_at))
    .execute(db)
    .await?;
    Ok(())
}

/// Replaces everything of a connection that can be changed: all but the repository and what it is connected to.
pub async fn update(
    db: &mut super::Connection,
    cipher: &Cipher,
    connection: &Connection,
    secrets: &ConnectionSecrets,
) -> Result<(), DbError> {
    let sealed = Sealed::new(cipher, connection.id, secrets);
    sqlx::query(
        "UPDATE connections SET account_id = ?, clone_url = ?, known_hosts = ?, branch = ?, auto_deploy = ?, wait_for_ci = ?,
           webhook_secret = ?, token = ?, deploy_key = ?, updated_at = ? WHERE id = ?",
    )
    .bind(connection.by.to_string())
    .bind(&connection.clone_url)
    .bind(connection.known_hosts.as_deref())
    .bind(connection.branch.as_ref().map(ToString::to_string))
    .bind(connection.auto_deploy)
    .bind(connection.wait_for_ci)
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

/// Lists what is connected to a repository, oldest first. Repositories of the same name may be on several forges: only a
/// connection's secret tells whether it is the one that is meant.
pub async fn by_repository(
    db: &mut super::Connection,
    provider: Provider,
    full_name: &FullName,
) -> Result<Vec<Connection>, DbError> {
    let query = sqlx::query("SELECT * FROM connections WHERE provider = ? AND full_name = ? ORDER BY created_at, id");
    let rows = query.bind(provider.as_str()).bind(full_name.as_str()).fetch_all(db).await?;
    rows.iter().map(connection).collect()
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
        created_at: row::time(row, "created_at")?,
        updated_at: row::time(row, "updated_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{self, Db};
    use crate::model::App;

    const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    async fn world() -> (tempfile::TempDir, Db, App) {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path()).await.unwrap();
        let mut tx = db.write().await.unwrap();
        let owner = db::accounts::insert(&mut tx, &"a@example.com".parse().unwrap(), AT).await.unwrap().id;
        let app = App {
            id: AppId::new(),
            name: "shop".parse().unwrap(),
            owner,
            stack: "debian-12".parse().unwrap(),
            created_at: AT,
            updated_at: AT,
        };
        db::apps::insert(&mut tx, &app).await.unwrap();
        tx.commit().await.unwrap();
        (dir, db, app)
    }

    fn connection_of(app: &App) -> (Connection, ConnectionSecrets) {
        let connection = Connection {
            id: ConnectionId::new(),
            of: Connected::App(app.id),
            by: app.owner,
            provider: Provider::GitHub,
            full_name: "Octocat/Hello-World".parse().unwrap(),
            clone_url: "https://github.com/Octocat/Hello-World.git".into(),
            known_hosts: None,
            branch: Some("main".parse().unwrap()),
            auto_deploy: true,
            wait_for_ci: false,
            created_at: AT,
            updated_at: AT,
        };
        let secrets =
            ConnectionSecrets { webhook_secret: Secret::new("hush"), token: Some(Secret::new("tell nobody")), deploy_key: None };
        (connection, secrets)
    }

    #[tokio::test]
    async fn a_connection_is_found_by_its_repository_and_its_secrets_are_not_in_the_file() {
        let (dir, db, app) = world().await;
        let (connection, secrets) = connection_of(&app);
        let mut tx = db.write().await.unwrap();
        insert(&mut tx, db.cipher(), &connection, &secrets).await.unwrap();
        tx.commit().await.unwrap();

        let mut reader = db.read().await.unwrap();
        let name = "octocat/hello-world".parse().unwrap();
        assert_eq!(by_repository(&mut reader, Provider::GitHub, &name).await.unwrap(), [connection.clone()]);
        assert_eq!(by_repository(&mut reader, Provider::Gitea, &name).await.unwrap(), []);
        let read = super::secrets(&mut reader, db.cipher(), connection.id).await.unwrap().unwrap();
        assert_eq!((read.webhook_secret, read.token, read.deploy_key), (secrets.webhook_secret, secrets.token, None));
        drop(reader);
        db.close().await;
        let file = std::fs::read(dir.path().join("hoist.db")).unwrap();
        for secret in [b"hush".as_slice(), b"tell nobody"] {
            assert!(!file.windows(secret.len()).any(|window| window == secret));
        }
    }

    #[tokio::test]
    async fn an_app_has_one_connection_which_goes_with_it() {
        let (_dir, db, app) = world().await;
        let (connection, secrets) = connection_of(&app);
        let mut tx = db.write().await.unwrap();
        insert(&mut tx, db.cipher(), &connection, &secrets).await.unwrap();
        let (second, _) = connection_of(&app);
        assert!(insert(&mut tx, db.cipher(), &second, &secrets).await.unwrap_err().is_taken());
        let changed = Connection { branch: Some("next".parse().unwrap()), auto_deploy: false, ..connection };
        update(&mut tx, db.cipher(), &changed, &secrets).await.unwrap();
        assert_eq!(of_app(&mut tx, app.id).await.unwrap(), Some(changed));
        db::apps::destroy(&mut tx, app.id, app.owner, AT).await.unwrap();
        assert_eq!(of_app(&mut tx, app.id).await.unwrap(), None);
    }
}
