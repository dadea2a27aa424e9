//! PostgreSQL: a database and a role of the same name for each add-on. The role owns its database and may connect to no
//! other of hoist's, nor to the one that hoist itself connects to.
//!
//! What stays common to all: the server's memory, disk and connections (each role has a limit of those), and the catalogs
//! that PostgreSQL shows to everybody, which tell the names of databases and roles. Databases that somebody else has made on
//! the server keep their rights: give hoist a server of its own.

use postgres_protocol::password::scram_sha_256;
use rustls_platform_verifier::ConfigVerifierExt as _;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::ClientConfig;
use url::Url;

use super::{ProviderError, Server, name_on_server, names, public_url};
use crate::model::{Addon, Secret, Service};

/// As many as Heroku's smallest plan has.
const MAX_CONNECTIONS: u32 = 20;
const PORT: u16 = 5432;

pub(super) struct Provider {
    config: Config,
    tls: MakeRustlsConnect,
    public_url: Url,
}

/// Without the password.
impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("public_url", &self.public_url.as_str()).finish_non_exhaustive()
    }
}

impl Provider {
    pub(super) fn open(server: &Server) -> Result<Self, String> {
        let public_url = public_url(server, &["postgres", "postgresql"], PORT)?;
        let mut config: Config = server.url.expose().parse().map_err(|error: tokio_postgres::Error| error.to_string())?;
        config.application_name("hoist");
        let tls = ClientConfig::with_platform_verifier().map_err(|error| error.to_string())?;
        Ok(Self { config, tls: MakeRustlsConnect::new(tls), public_url })
    }

    /// The address of an add-on, with a new password.
    pub(super) fn new_url(&self, addon: &Addon) -> Secret {
        let mut url = self.public_url.clone();
        let name = name_on_server(addon);
        url.set_path(&name);
        url.set_username(&name).expect("it has a host");
        url.set_password(Some(names::password().expose())).expect("it has a host");
        Secret::new(url)
    }

    pub(super) async fn provision(&self, addon: &Addon, password: &Secret) -> Result<(), ProviderError> {
        let name = name_on_server(addon);
        // The server takes its own form of a password, so that none stands in a statement, which it may log.
        let verifier = scram_sha_256(password.expose().as_bytes());
        self.run(async |client: Client| make(&client, &name, &verifier).await).await
    }

    pub(super) async fn deprovision(&self, addon: &Addon) -> Result<(), ProviderError> {
        let name = name_on_server(addon);
        self.run(async |client: Client| remove(&client, &name).await).await
    }

    /// Connects, and does some work over the connection, which ends when the client is dropped.
    async fn run(&self, work: impl AsyncFnOnce(Client) -> Result<(), tokio_postgres::Error>) -> Result<(), ProviderError> {
        let (client, connection) = self.config.connect(self.tls.clone()).await.map_err(failed)?;
        let (done, ended) = tokio::join!(work(client), connection);
        done.and(ended).map_err(failed)
    }
}

fn failed(error: tokio_postgres::Error) -> ProviderError {
    let service = Service::Postgresql;
    if error.as_db_error().is_some() {
        ProviderError::Refused { service, source: error.into() }
    } else {
        ProviderError::Away { service, source: error.into() }
    }
}

/// For whoever changes what the server's databases have in common: PostgreSQL refuses two such changes at once.
const LOCK: i64 = 0x686f_6973_7400;

/// Each statement may have been carried out before. `CREATE DATABASE` can't be in a transaction.
async fn make(client: &Client, name: &str, verifier: &str) -> Result<(), tokio_postgres::Error> {
    // Until the connection ends. hoist has one change at a time, but the server may have several hoists.
    client.query("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
    if client.query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&name]).await?.is_none() {
        client.batch_execute(&format!("CREATE ROLE \"{name}\" NOLOGIN")).await?;
    }
    // Only a member may give it a database.
    client.batch_execute(&format!("GRANT \"{name}\" TO CURRENT_USER")).await?;
    if client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await?.is_none() {
        // `template0`: nobody is ever connected to it, so that it can be copied at any time.
        client.batch_execute(&format!("CREATE DATABASE \"{name}\" OWNER \"{name}\" TEMPLATE template0 ENCODING 'UTF8'")).await?;
    }
    client.batch_execute(&format!("REVOKE ALL ON DATABASE \"{name}\" FROM PUBLIC")).await?;
    // Where hoist may not say so, the server's owner has to.
    let shared = "SELECT quote_ident(datname) FROM pg_database
        WHERE datname IN (current_database(), 'template1') AND pg_has_role(datdba, 'USAGE')";
    for database in client.query(shared, &[]).await? {
        let database: String = database.get(0);
        client.batch_execute(&format!("REVOKE CONNECT, TEMPORARY ON DATABASE {database} FROM PUBLIC")).await?;
    }
    // A new role may do nothing else; to say so once more would take a superuser.
    let limit = format!("CONNECTION LIMIT {MAX_CONNECTIONS}");
    client.batch_execute(&format!("ALTER ROLE \"{name}\" WITH LOGIN {limit} PASSWORD '{verifier}'")).await?;
    end_sessions(client, name).await
}

async fn remove(client: &Client, name: &str) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).await?;
    client.batch_execute(&format!("DROP ROLE IF EXISTS \"{name}\"")).await
}

async fn end_sessions(client: &Client, name: &str) -> Result<(), tokio_postgres::Error> {
    client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", &[&name]).await?;
    Ok(())
}
