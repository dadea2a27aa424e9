//! Taking a review app away.

use std::collections::BTreeMap;

use super::super::addons;
use super::super::run::{RunError, RunRequest, run_detached};
use super::Halt;
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::model::{App, ReviewApp};

/// Runs the code's own last command, whatever becomes of it, and destroys the app with its add-ons. What is cut off begins
/// again: a command may run twice.
pub(super) async fn destroy(ctx: &Ctx, review_app: &ReviewApp) -> Result<(), Halt> {
    let app = match review_app.app {
        Some(app) => db::apps::by_id(&mut *ctx.db.read().await?, app).await?,
        None => None,
    };
    let Some(app) = app else {
        let mut tx = ctx.db.write().await?;
        db::review_apps::deleted(&mut tx, review_app.id, ctx.now()).await?;
        return Ok(tx.commit().await.map_err(DbError::from)?);
    };
    if let Some(command) = &review_app.predestroy {
        run_predestroy(ctx, review_app, &app, command).await?;
    }
    // Records that the review app is gone, too.
    Ok(addons::destroy_app(ctx, app, review_app.by).await?)
}

async fn run_predestroy(ctx: &Ctx, review_app: &ReviewApp, app: &App, command: &str) -> Result<(), Halt> {
    let by = db::accounts::get(&mut *ctx.db.read().await?, review_app.by).await?;
    let request = RunRequest {
        app: app.clone(),
        by,
        command: command.to_owned(),
        env: BTreeMap::new(),
        terminal: None,
        process_type: "pr-predestroy".parse().expect("a process type's name"),
        time_to_live: Some(ctx.config.limits.release_time),
    };
    let dyno = match run_detached(ctx, request).await {
        Ok(dyno) => dyno,
        // Nothing was ever released: there is nothing that could have to be cleared away.
        Err(RunError::NoCode) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if let Err(failure) = &*dyno.ended().await {
        tracing::info!(review_app.id = %review_app.id, app.id = %app.id, %failure, "pr-predestroy did not succeed; the app is destroyed all the same");
    }
    Ok(())
}
