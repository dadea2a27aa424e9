//! What both doors do with a push, once they know who pushes to which app.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::apps::{self, AppError};
use crate::auth;
use crate::ctx::Ctx;
use crate::model::{Account, App, AppName};

/// Which door a push came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Ssh,
    Http,
}

/// What a pusher may push to.
#[derive(Debug)]
pub struct Target {
    pub app: App,
}

/// Why a pusher may not push; the text is for the pusher.
#[derive(Debug)]
pub enum Refused {
    NotFound(String),
    /// hoist's fault.
    Unavailable(String),
}

/// Why a push failed, for the log: the pusher was told already.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error("the connection broke")]
    Connection(#[from] io::Error),
}

/// Finds the app (creating it if the configuration allows) and checks the account's rights.
pub async fn open(ctx: &Ctx, account: &Account, app: &str) -> Result<Target, Refused> {
    let unavailable = |_| Refused::Unavailable("The database failed. It is hoist's fault, not yours.".into());
    if let Some((app, _role)) = auth::find_app(&ctx.db, account.id, app).await.map_err(unavailable)? {
        return Ok(Target { app });
    }
    let name: AppName = app.parse().map_err(|invalid: crate::model::Invalid| Refused::NotFound(invalid.to_string()))?;
    match apps::create(&ctx.db, account, Some(name), &ctx.config.default_stack, ctx.now()).await {
        Ok(app) => Ok(Target { app }),
        Err(AppError::Invalid(_)) => Err(Refused::NotFound(format!("There is no app `{app}` that you may push to."))),
        Err(AppError::Db(error)) => Err(unavailable(error)),
    }
}

/// Writes the ref advertisement. `Door::Http` puts the `# service=` header before it.
pub async fn advertise(_target: &Target, writer: &mut (impl AsyncWrite + Unpin + Send), door: Door) -> io::Result<()> {
    if door == Door::Http {
        writer.write_all(b"001f# service=git-receive-pack\n0000").await?;
    }
    let line = format!("{} capabilities^{{}}\0report-status side-band-64k object-format=sha1 agent=hoist\n", "0".repeat(40));
    writer.write_all(format!("{:04x}{line}0000", line.len() + 4).as_bytes()).await
}

/// Reads commands and pack, builds, releases, reports.
pub async fn receive<R, W>(
    _ctx: &Ctx,
    _account: &Account,
    _target: Target,
    mut reader: R,
    mut writer: W,
    _door: Door,
) -> Result<(), PushError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let mut start = [0; 4];
    if reader.read_exact(&mut start).await.is_ok() && &start != b"0000" {
        writer.write_all(b"0013\x02not written yet\n").await?;
    }
    Ok(())
}
