//! What a build is given besides its source: the config vars, and which folder of the source is the app's.

use super::{Failure, Request};
use crate::build::{BuildError, Source};
use crate::ctx::Ctx;
use crate::db;
use crate::model::{ConfigVars, SourceRoot};
use crate::release::{ReleaseError, current_config};

/// What stays the same for a build from when it is accepted.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) config: ConfigVars,
    /// The app's setting, or else its config var's; `None` for all of the source.
    pub(super) root: Option<SourceRoot>,
    /// Whether the slug is released again when nothing of what it is made of has changed.
    pub(super) skips_unchanged: bool,
}

impl Given {
    /// Looks it up. A pushed commit that does not have the folder is refused here, before it waits for anything.
    pub(super) async fn of(ctx: &Ctx, request: &Request) -> Result<Self, Failure> {
        let config = current_config(&ctx.db, request.app.id).await?;
        let (config, _) = config.changed(&request.options.config).map_err(ReleaseError::from)?;
        let mut db = ctx.db.read().await?;
        let skips_unchanged = db::apps::skips_unchanged(&mut db, request.app.id).await?;
        let root = match db::apps::root(&mut db, request.app.id).await? {
            Some(root) => Some(root),
            None => SourceRoot::of_config(&config).map_err(BuildError::Root)?,
        };
        drop(db);
        if let (Source::Git(git), Some(root)) = (&request.source, &root) {
            git.repo.folder_id(git.quarantine.as_deref(), &git.commit, Some(root)).await.map_err(BuildError::from)?;
        }
        Ok(Self { config, root, skips_unchanged })
    }
}
