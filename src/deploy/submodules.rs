//! What the submodules of an app's code are fetched with.

use super::source_means;
use crate::build::{Means, Source, SubmoduleAccess};
use crate::ctx::Ctx;
use crate::db::{self, DbError};
use crate::model::{App, SourceRoot};

/// The means for an app's own code, of which this folder is the app's, which whoever may deploy has written or chosen: with its credentials. An archive has no
/// submodules, also one that was made of a review app's commit: those were fetched before, without any of this.
pub(super) async fn means_of<'a>(
    ctx: &'a Ctx,
    app: &App,
    source: &Source,
    root: Option<&SourceRoot>,
) -> Result<Means<'a>, DbError> {
    let means = Means { root: root.cloned(), ..source_means(ctx) };
    if matches!(source, Source::Archive(_)) {
        return Ok(means);
    }
    let mut db = ctx.db.read().await?;
    let credentials = db::git_credentials::open_of(&mut db, ctx.db.cipher(), app.id).await?;
    let connection = db::connections::of_app(&mut db, app.id).await?;
    let base = connection.and_then(|connection| connection.clone_url.parse().ok());
    Ok(Means { submodules: SubmoduleAccess::new(base, credentials), ..means })
}

/// Remembers which credentials were shown to a server, whatever came of it.
pub(super) async fn note_shown(ctx: &Ctx, access: &SubmoduleAccess) -> Result<(), DbError> {
    let shown = access.shown();
    if shown.is_empty() {
        return Ok(());
    }
    let mut tx = ctx.db.write().await?;
    for id in shown {
        db::git_credentials::set_used(&mut tx, id, ctx.now()).await?;
    }
    Ok(tx.commit().await?)
}
