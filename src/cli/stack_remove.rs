//! `hoist stack:remove`

use anyhow::Context as _;
use clap::Args;

use super::error::CliError;
use super::output;
use super::stack_work::open_engine;
use crate::config::{Config, PlaceArgs};
use crate::db::{self, Db, Write};
use crate::model::StackName;
use crate::stack::{self, StackError};

/// How many apps are named that are in the way.
const APPS_NAMED: u32 = 10;

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// Name of the stack
    name: StackName,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Remove {
    pub(super) fn run(self) -> Result<(), CliError> {
        let config = Config::load_place(&self.place).map_err(anyhow::Error::from)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("can't start the runtime")?;
        runtime.block_on(self.remove(&config))?;
        output::note(&format!("Removed the stack {}.", self.name));
        Ok(())
    }

    async fn remove(&self, config: &Config) -> anyhow::Result<()> {
        let (_folder, engine) = open_engine(config).await?;
        let db = Db::open(&config.data_dir).await?;
        let removed =
            stack::remove(&config.stacks_dir, &self.name, &engine, async || self.see_that_nobody_needs_it(config, &db).await)
                .await;
        db.close().await;
        Ok(removed?)
    }

    /// Fails if somebody does. As long as what it returns is there, nobody comes to.
    async fn see_that_nobody_needs_it(&self, config: &Config, db: &Db) -> Result<Write, StackError> {
        let wanted = |why: String| StackError::Wanted { name: self.name.clone(), why };
        if self.name == config.default_stack {
            return Err(wanted("new apps get it. Set another `default_stack` in hoist.toml first".into()));
        }
        let ask = async || {
            let mut tx = db.write().await?;
            Ok((db::apps::names_on_stack(&mut tx, &self.name, APPS_NAMED).await?, tx))
        };
        let (apps, tx) = ask().await.map_err(|error: db::DbError| StackError::Io {
            what: "ask which apps are on the stack".into(),
            source: std::io::Error::other(error),
        })?;
        if apps.is_empty() {
            return Ok(tx);
        }
        let names: Vec<_> = apps.iter().map(ToString::to_string).collect();
        let names = names.join(", ");
        Err(wanted(format!("on it are {names}. Set another stack with `hoist stack:set`, and deploy, first")))
    }
}
