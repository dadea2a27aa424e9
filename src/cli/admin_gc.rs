//! `hoist admin gc`

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use time::OffsetDateTime;

use super::admin::actor;
use super::error::CliError;
use super::output::{self, print};
use crate::audit;
use crate::config::{Config, PlaceArgs};
use crate::db::Db;
use crate::gc::{self, Collected, GcError};
use crate::model::{Deed, Outcome};
use crate::store::Store;

#[derive(Debug, Args)]
pub(super) struct Gc {
    /// Tell what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Gc {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let config = Config::load_place(&self.place).map_err(anyhow::Error::from)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("can't start the runtime")?;
        let collected = runtime.block_on(self.collect(&config))?;
        let Collected { manifests, blobs, bytes } = collected;
        let verb = if self.dry_run { "Would remove" } else { "Removed" };
        print(&format!("{verb} {blobs} blobs ({}), {manifests} manifests among them\n", output::size(bytes)))
    }

    async fn collect(&self, config: &Config) -> Result<Collected, CliError> {
        let db = Db::open(&config.data_dir).await.map_err(anyhow::Error::from)?;
        let store = Store::beside(config.data_dir.join("blobs"));
        let (grace, now) = (config.limits.garbage_time, OffsetDateTime::now_utc());
        let collected = if self.dry_run {
            gc::survey(&db, &store, grace, now).await.map_err(anyhow::Error::from)
        } else {
            let begun = audit::begin(&db, &actor(), &deed(), now).await.map_err(anyhow::Error::from)?;
            let collected = gc::collect(&db, &store, grace, now).await;
            audit::end(&db, begun, &outcome(&collected), now).await;
            collected.map_err(anyhow::Error::from)
        };
        db.close().await;
        Ok(collected?)
    }
}

fn deed() -> Deed {
    Deed { app: None, kind: "blobs".into(), action: "destroy".into(), data: json!({"values": {}, "fields": []}) }
}

fn outcome(collected: &Result<Collected, GcError>) -> Outcome {
    match collected {
        Ok(_) => Outcome::Succeeded,
        Err(GcError::Db(_)) => Outcome::Failed("database".into()),
        Err(GcError::Store(_)) => Outcome::Failed("store".into()),
    }
}
