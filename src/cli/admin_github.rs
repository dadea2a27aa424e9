//! `hoist admin github:allow`

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use time::OffsetDateTime;

use super::admin::actor;
use super::error::CliError;
use super::output::note;
use crate::audit;
use crate::config::{Config, PlaceArgs};
use crate::connections::{self, ConnectError};
use crate::db::{self, Db, DbError};
use crate::model::{App, AppName, Connection, Deed, Outcome};

#[derive(Debug, Args)]
pub(super) struct Allow {
    /// Name of the app
    app: AppName,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Allow {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let config = Config::load_place(&self.place).map_err(anyhow::Error::from)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("can't start the runtime")?;
        let connection = runtime.block_on(self.allow(&config))?;
        note(&format!("The GitHub App acts for {} at {}.", self.app, connection.full_name));
        Ok(())
    }

    async fn allow(&self, config: &Config) -> Result<Connection, CliError> {
        let db = Db::open(&config.data_dir).await.map_err(anyhow::Error::from)?;
        let allowed = self.allow_recorded(&db, OffsetDateTime::now_utc()).await;
        db.close().await;
        allowed
    }

    async fn allow_recorded(&self, db: &Db, now: OffsetDateTime) -> Result<Connection, CliError> {
        let Some(app) = find(db, &self.app).await.map_err(anyhow::Error::from)? else {
            return Err(CliError::User(format!("There is no app {}.", self.app)));
        };
        let begun = audit::begin(db, &actor(), &deed(&app), now).await.map_err(anyhow::Error::from)?;
        let allowed = connections::allow(db, app.id, now).await;
        let outcome = match &allowed {
            Ok(_) => Outcome::Succeeded,
            Err(ConnectError::Db(_)) => Outcome::Failed("database".into()),
            Err(_) => Outcome::Refused("not_found".into()),
        };
        audit::end(db, begun, &outcome, now).await;
        allowed.map_err(|error| match error {
            ConnectError::Db(error) => CliError::Other(error.into()),
            _ => CliError::User(format!("{} is not connected to a repository: first comes hoist github:connect.", self.app)),
        })
    }
}

async fn find(db: &Db, name: &AppName) -> Result<Option<App>, DbError> {
    db::apps::by_name(&mut *db.read().await?, name).await
}

fn deed(app: &App) -> Deed {
    let data = json!({"values": {"app": app.name.as_str()}, "fields": ["is_proved"]});
    Deed { app: Some(app.id), kind: "github".into(), action: "update".into(), data }
}
