//! Connecting an app to a repository, changing that, and asking for a deploy of a branch.

use time::OffsetDateTime;

use crate::db::triggers::NewTrigger;
use crate::db::{self, Db, DbError};
use crate::model::{
    AccountId, AppId, BranchName, Cause, Connected, Connection, ConnectionId, ConnectionSecrets, FullName, Invalid, Provider,
    RemoteScheme, RemoteUrl, Secret, TriggerId, TriggerState,
};

/// A connection that is wanted.
#[derive(Debug)]
pub struct NewConnection {
    pub provider: Provider,
    pub full_name: FullName,
    pub clone_url: String,
    pub known_hosts: Option<String>,
    pub branch: Option<BranchName>,
    pub auto_deploy: bool,
    pub wait_for_ci: bool,
    /// Whether it was shown that the repository may be read by whoever connects it.
    pub is_proved: bool,
    /// Made if there is none.
    pub webhook_secret: Option<Secret>,
    pub token: Option<Secret>,
    pub deploy_key: Option<Secret>,
}

/// What is to be changed; what is `None` stays, and `Some(None)` takes it away.
#[derive(Debug, Default)]
pub struct Change {
    pub clone_url: Option<String>,
    pub known_hosts: Option<Option<String>>,
    pub branch: Option<BranchName>,
    pub auto_deploy: Option<bool>,
    pub wait_for_ci: Option<bool>,
    /// The connection whose repository may be read by whoever changes it, as was shown, and that repository. Another one may have
    /// come in its place meanwhile.
    pub proved: Option<(ConnectionId, FullName)>,
    pub webhook_secret: Option<Secret>,
    pub token: Option<Option<Secret>>,
    pub deploy_key: Option<Option<Secret>>,
}

/// Why an app is not connected, or is not as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the app is connected to {0} already")]
    Connected(FullName),
    #[error("the app is not connected to a repository")]
    NotConnected,
    /// Nothing says which of the pushes are meant.
    #[error("there is no branch to deploy")]
    NoBranch,
    /// Whoever moves a connection must not learn the token in it.
    #[error("the token was given for another server than {0}")]
    OtherServer(String),
    #[error(transparent)]
    Url(#[from] Invalid),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Connects an app or a pipeline to a repository. Returns the connection with its webhook's secret, which can't be read back later.
pub async fn connect(
    db: &Db,
    of: Connected,
    by: AccountId,
    new: NewConnection,
    now: OffsetDateTime,
) -> Result<(Connection, Secret), ConnectError> {
    let webhook_secret = new.webhook_secret.unwrap_or_else(Secret::random);
    let connection = Connection {
        id: ConnectionId::new(),
        of,
        by,
        provider: new.provider,
        full_name: new.full_name,
        clone_url: new.clone_url,
        known_hosts: new.known_hosts,
        branch: new.branch,
        auto_deploy: new.auto_deploy,
        wait_for_ci: new.wait_for_ci,
        is_proved: new.is_proved,
        created_at: now,
        updated_at: now,
    };
    check(&connection)?;
    let secrets = ConnectionSecrets { webhook_secret, token: new.token, deploy_key: new.deploy_key };
    let mut tx = db.write().await?;
    let before = match of {
        Connected::App(app) => db::connections::of_app(&mut tx, app).await?,
        Connected::Pipeline(pipeline) => db::connections::of_pipeline(&mut tx, pipeline).await?,
    };
    if let Some(before) = before {
        return Err(ConnectError::Connected(before.full_name));
    }
    db::connections::insert(&mut tx, db.cipher(), &connection, &secrets).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok((connection, secrets.webhook_secret))
}

/// Changes an app's connection. From now on its builds are made in the name of whoever changes it.
pub async fn change(db: &Db, app: AppId, by: AccountId, change: Change, now: OffsetDateTime) -> Result<Connection, ConnectError> {
    let mut tx = db.write().await?;
    let before = db::connections::of_app(&mut tx, app).await?.ok_or(ConnectError::NotConnected)?;
    let secrets = db::connections::secrets(&mut tx, db.cipher(), before.id).await?.ok_or(ConnectError::NotConnected)?;
    check_token(&before, &secrets, &change)?;
    let secrets = ConnectionSecrets {
        webhook_secret: change.webhook_secret.unwrap_or(secrets.webhook_secret),
        token: change.token.unwrap_or(secrets.token),
        deploy_key: change.deploy_key.unwrap_or(secrets.deploy_key),
    };
    let connection = Connection {
        by,
        clone_url: change.clone_url.unwrap_or(before.clone_url),
        known_hosts: change.known_hosts.unwrap_or(before.known_hosts),
        branch: change.branch.or(before.branch),
        auto_deploy: change.auto_deploy.unwrap_or(before.auto_deploy),
        wait_for_ci: change.wait_for_ci.unwrap_or(before.wait_for_ci),
        is_proved: before.is_proved || change.proved == Some((before.id, before.full_name.clone())),
        updated_at: now,
        ..before
    };
    check(&connection)?;
    db::connections::update(&mut tx, db.cipher(), &connection, &secrets).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(connection)
}

/// Makes another secret for the deliveries of an app's connection. Returns it, too: it can't be read back later.
pub async fn change_secret(
    db: &Db,
    app: AppId,
    by: AccountId,
    now: OffsetDateTime,
) -> Result<(Connection, Secret), ConnectError> {
    let secret = Secret::random();
    let with = Change { webhook_secret: Some(secret.clone()), ..Change::default() };
    Ok((change(db, app, by, with, now).await?, secret))
}

/// Has the GitHub App act for an app's connection without a proof: its administrator answers for it. Returns the connection.
pub async fn allow(db: &Db, app: AppId, now: OffsetDateTime) -> Result<Connection, ConnectError> {
    let mut tx = db.write().await?;
    let before = db::connections::of_app(&mut tx, app).await?.ok_or(ConnectError::NotConnected)?;
    let secrets = db::connections::secrets(&mut tx, db.cipher(), before.id).await?.ok_or(ConnectError::NotConnected)?;
    let connection = Connection { is_proved: true, updated_at: now, ..before };
    db::connections::update(&mut tx, db.cipher(), &connection, &secrets).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(connection)
}

/// Removes the connection of an app or a pipeline, with what was to be deployed over it, and returns it. Review apps stay.
pub async fn disconnect(db: &Db, of: Connected) -> Result<Connection, ConnectError> {
    let mut tx = db.write().await?;
    let connection = match of {
        Connected::App(app) => db::connections::of_app(&mut tx, app).await?,
        Connected::Pipeline(pipeline) => db::connections::of_pipeline(&mut tx, pipeline).await?,
    };
    let connection = connection.ok_or(ConnectError::NotConnected)?;
    db::connections::delete_of(&mut tx, connection.of).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(connection)
}

/// Asks for a deploy of a branch as it stands at the forge now, or of the connection's if none is named. CI is not waited for:
/// whoever asks for it knows why.
pub async fn deploy_branch(
    db: &Db,
    app: AppId,
    by: AccountId,
    branch: Option<BranchName>,
    now: OffsetDateTime,
) -> Result<TriggerId, ConnectError> {
    let mut tx = db.write().await?;
    let connection = db::connections::of_app(&mut tx, app).await?.ok_or(ConnectError::NotConnected)?;
    let branch = branch.or(connection.branch).ok_or(ConnectError::NoBranch)?;
    let new = NewTrigger {
        id: TriggerId::new(),
        connection: connection.id,
        app,
        by,
        cause: Cause::Manual,
        branch,
        commit: None,
        before: None,
        pushed_at: None,
        state: TriggerState::Ready,
        at: now,
    };
    db::triggers::insert(&mut tx, &new).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(new.id)
}

/// A token stays with the server that it was given for.
fn check_token(before: &Connection, secrets: &ConnectionSecrets, change: &Change) -> Result<(), ConnectError> {
    let (Some(url), Some(_), None) = (&change.clone_url, &secrets.token, &change.token) else { return Ok(()) };
    let (old, new): (RemoteUrl, RemoteUrl) = (before.clone_url.parse()?, url.parse()?);
    // Over SSH the token is not shown, and the API is on the same host.
    let is_beside = new.scheme() == RemoteScheme::Ssh && new.host() == old.host() && old.port().is_none();
    if is_beside || new.is_same_server(&old) { Ok(()) } else { Err(ConnectError::OtherServer(new.host().to_owned())) }
}

fn check(connection: &Connection) -> Result<(), ConnectError> {
    if connection.auto_deploy && connection.branch.is_none() { Err(ConnectError::NoBranch) } else { Ok(()) }
}
