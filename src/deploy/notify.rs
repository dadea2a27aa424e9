//! Commands that are run when something was released: one-off commands in the app's current release.

use std::collections::BTreeMap;

use super::run::{RunError, RunRequest, run_detached};
use crate::auth::{self, AccessError};
use crate::ctx::Ctx;
use crate::model::Action;
use crate::tell::Hook;

/// Begins a command that somebody has asked for. It is told the release under Heroku's names (dyno metadata). An app without
/// code has nothing that the command could be run in, which is nobody's fault; who may not run commands any more is not told
/// so.
pub async fn run_hook(ctx: &Ctx, hook: Hook) -> Result<(), RunError> {
    let Hook { app, by, command, release } = hook;
    match auth::open_app(&ctx.db, by.id, &app.id.to_string(), Action::Operate).await {
        Ok(_) => {}
        Err(AccessError::Db(error)) => return Err(error.into()),
        Err(AccessError::NoSuchApp | AccessError::Denied(_)) => {
            tracing::info!(app.id = %app.id, account.id = %by.id, "a command for releases is not run: who asked for it may not run commands any more");
            return Ok(());
        }
    }
    let commit = release.commit.as_ref().map_or_else(String::new, ToString::to_string);
    let env = BTreeMap::from([
        ("HEROKU_APP_NAME".to_owned(), app.name.to_string()),
        ("HEROKU_RELEASE_VERSION".to_owned(), release.version.to_string()),
        ("HEROKU_SLUG_COMMIT".to_owned(), commit),
    ]);
    let process_type = "run".parse().expect("a process type's name");
    let request = RunRequest { app, by, command, env, process_type, time_to_live: None, terminal: None };
    match run_detached(ctx, request).await {
        Ok(_) | Err(RunError::NoCode) => Ok(()),
        Err(error) => Err(error),
    }
}
