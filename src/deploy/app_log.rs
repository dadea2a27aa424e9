//! The apps' logs: what their processes put out, whatever becomes of each one's own output.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};

use crate::ctx::Ctx;
use crate::model::AppId;
use crate::transcript::AppLog;

/// The logs that somebody writes or reads now.
#[derive(Debug, Default)]
pub(super) struct AppLogs(Mutex<HashMap<AppId, Weak<AppLog>>>);

pub(super) fn app_logs_dir(ctx: &Ctx) -> PathBuf {
    ctx.config.data_dir.join("app-logs")
}

/// Opens an app's log.
pub fn app_log(ctx: &Ctx, app: AppId) -> io::Result<Arc<AppLog>> {
    // Held while a file is opened, never across an await: a log has one writer.
    let mut logs = ctx.dynos.app_logs().0.lock().expect("no holder panics");
    if let Some(log) = logs.get(&app).and_then(Weak::upgrade) {
        return Ok(log);
    }
    let dir = app_logs_dir(ctx).join(app.to_string());
    let log = Arc::new(AppLog::open(&dir, ctx.config.history.log_bytes, Ctx::now_utc)?);
    logs.retain(|_, log| log.strong_count() > 0);
    logs.insert(app, Arc::downgrade(&log));
    Ok(log)
}
