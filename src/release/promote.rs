//! One app's code, released in others with their own config.

use time::OffsetDateTime;

use super::config::base_config;
use super::phase::first_status;
use crate::db::releases::NewRelease;
use crate::db::{self, Connection, Db, DbError};
use crate::model::{
    AccountId, App, Invalid, PipelineId, Promotion, PromotionId, PromotionOutcome, PromotionTarget, PromotionTargetId, Release,
    Slug, SlugId,
};

/// What is promoted, and where to.
#[derive(Debug)]
pub struct Promote<'a> {
    pub pipeline: PipelineId,
    pub by: AccountId,
    pub source: &'a App,
    /// The release whose slug is taken.
    pub release: &'a Release,
    pub targets: &'a [App],
    pub at: OffsetDateTime,
}

/// Why nothing was promoted.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Releases the slug of `release` in each target and records the promotion: all of it or nothing, so that no promotion is
/// ever found half done. A target that was destroyed meanwhile is told by its own outcome. Returns the releases too, whose
/// commands are still to be run.
pub async fn promote(db: &Db, promote: &Promote<'_>) -> Result<(Promotion, Vec<Release>), PromoteError> {
    let mut tx = db.write().await?;
    let slug = match promote.release.slug {
        Some(slug) => db::slugs::get(&mut tx, slug).await?,
        None => None,
    };
    let no_code = || Invalid(format!("{} of {} has no code to promote.", promote.release.version, promote.source.name));
    let slug = slug.ok_or_else(no_code)?;
    let promotion = Promotion {
        id: PromotionId::new(),
        pipeline: promote.pipeline,
        by: promote.by,
        source_app: promote.source.id,
        source_release: promote.release.id,
        created_at: promote.at,
    };
    db::pipeline_promotions::insert(&mut tx, &promotion).await?;
    let mut releases = Vec::new();
    for app in promote.targets {
        let outcome = match db::apps::by_id(&mut tx, app.id).await? {
            Some(app) => {
                let release = release_to(&mut tx, db, promote, &app, &slug).await?;
                let outcome = PromotionOutcome::of_release(release.id, release.status, None);
                releases.push(release);
                outcome
            }
            None => PromotionOutcome::Failed { release: None, why: format!("{} was destroyed.", app.name) },
        };
        let target = PromotionTarget { id: PromotionTargetId::new(), app: app.id, outcome };
        db::pipeline_promotions::insert_target(&mut tx, promotion.id, &target).await?;
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok((promotion, releases))
}

/// Makes a release of `app` with another app's slug and its own config.
async fn release_to(tx: &mut Connection, db: &Db, promote: &Promote<'_>, app: &App, slug: &Slug) -> Result<Release, DbError> {
    // A slug is one app's, so that who may see it is who may see the app; the blob is the same.
    let copy = Slug { id: SlugId::new(), app: app.id, created_at: promote.at, ..slug.clone() };
    db::slugs::insert(tx, &copy).await?;
    let new = NewRelease {
        app: app.id,
        description: description(promote, slug),
        by: promote.by,
        slug: Some(copy.id),
        // The build is the source's.
        build: None,
        commit: slug.commit.clone(),
        config: base_config(tx, db, app.id).await?,
        status: first_status(tx, Some(copy.id)).await?,
        at: promote.at,
    };
    db::releases::append(tx, db.cipher(), new).await
}

/// `Promote staging-app v12 a617a93d` (conventions 3.8).
fn description(promote: &Promote<'_>, slug: &Slug) -> String {
    let source = format!("Promote {} {}", promote.source.name, promote.release.version);
    slug.commit.as_ref().map_or_else(|| source.clone(), |commit| format!("{source} {}", commit.short()))
}
