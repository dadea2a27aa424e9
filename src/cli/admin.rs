//! `hoist admin …`: works on the database itself, whether the daemon runs or not.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::admin_bundle::{Export, Import};
use super::admin_gc::Gc;
use super::admin_github::Allow;
use super::admin_repo::Check;
use super::error::CliError;
use super::output;
use crate::audit;
use crate::auth::{self, AuthError};
use crate::config::{Config, PlaceArgs};
use crate::db::Db;
use crate::model::{Account, Actor, Credential, Deed, Door, Email, Outcome, Secret};

#[derive(Debug, Subcommand)]
pub(super) enum Admin {
    /// Add a user, or make another token for one, and print the token
    #[command(name = "user:add")]
    UserAdd(UserAdd),
    /// Remove blobs and images that nothing refers to any more, as the daemon does by itself every few hours
    #[command(name = "gc")]
    Gc(Gc),
    /// Have the GitHub App act for an app's connection although nobody has shown that they may read the repository
    #[command(name = "github:allow")]
    GitHubAllow(Allow),
    /// Look whether an app's repository is sound: every object, every pack, every ref
    #[command(name = "repo:check")]
    RepoCheck(Check),
    /// Write an app's repository to a file that git clones from (git-bundle)
    #[command(name = "repo:export")]
    RepoExport(Export),
    /// Take refs and objects of a bundle into an app's repository, and build nothing
    #[command(name = "repo:import")]
    RepoImport(Import),
}

#[derive(Debug, Args)]
pub(super) struct UserAdd {
    /// E-mail address of the user
    email: Email,
    /// File of the user's SSH public key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Admin {
    pub(super) fn run(self) -> Result<(), CliError> {
        match self {
            Self::UserAdd(args) => args.run(),
            Self::Gc(args) => args.run(),
            Self::GitHubAllow(args) => args.run(),
            Self::RepoCheck(args) => args.run(),
            Self::RepoExport(args) => args.run(),
            Self::RepoImport(args) => args.run(),
        }
    }
}

impl UserAdd {
    fn run(self) -> Result<(), CliError> {
        let key = self.key.as_deref().map(read_key).transpose()?;
        let config = Config::load_place(&self.place).map_err(anyhow::Error::from)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("can't start the runtime")?;
        let (account, token) = runtime.block_on(add(&config, &self.email, key.as_deref()))?;
        output::note(&format!("Token of {}, shown this once:", account.email));
        output::print(&format!("{}\n", token.expose()))
    }
}

async fn add(config: &Config, email: &Email, key: Option<&str>) -> Result<(Account, Secret), CliError> {
    let db = Db::open(&config.data_dir).await.map_err(anyhow::Error::from)?;
    let added = add_recorded(&db, email, key, OffsetDateTime::now_utc()).await;
    db.close().await;
    added.map_err(|error| match error {
        AuthError::Invalid(invalid) => CliError::User(invalid.to_string()),
        AuthError::Db(error) => CliError::Other(error.into()),
    })
}

/// Whoever runs this command, by the user of the host.
pub(super) fn actor() -> Actor {
    let credential = Credential::Uid(rustix::process::getuid().as_raw());
    Actor { door: Door::Admin, account: None, credential, address: None, request: Uuid::new_v4() }
}

async fn add_recorded(db: &Db, email: &Email, key: Option<&str>, now: OffsetDateTime) -> Result<(Account, Secret), AuthError> {
    let actor = actor();
    let data = json!({"values": {"user": email.as_str()}, "fields": if key.is_some() { vec!["key"] } else { vec![] }});
    let begun = audit::begin(db, &actor, &Deed { app: None, kind: "users".into(), action: "create".into(), data }, now).await?;
    let added = auth::add_user(db, email, key, now).await;
    let outcome = match &added {
        Ok(_) => Outcome::Succeeded,
        Err(AuthError::Invalid(_)) => Outcome::Refused("invalid".into()),
        Err(AuthError::Db(_)) => Outcome::Failed("database".into()),
    };
    audit::end(db, begun, &outcome, now).await;
    added
}

fn read_key(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| CliError::User(format!("can't read {}: {error}", path.display())))
}
