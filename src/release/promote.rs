//! One app's code, released in others with their own config.

use time::OffsetDateTime;

use super::config::base_config;
use super::images::share_image;
use super::phase::status_of_new;
use crate::db::releases::NewRelease;
use crate::db::{self, Connection, Db, DbError};
use crate::model::{
    AccountId, App, Artifact, Invalid, OciImage, OciImageId, PipelineId, Promotion, PromotionId, PromotionOutcome,
    PromotionTarget, PromotionTargetId, Release, Slug, SlugId,
};

/// What is promoted, and where to.
#[derive(Debug)]
pub struct Promote<'a> {
    pub pipeline: PipelineId,
    pub by: AccountId,
    pub source: &'a App,
    /// The release whose slug or image is taken.
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

/// Releases the code of `release` in each target and records the promotion: all of it or nothing, so that no promotion is
/// ever found half done. A target that was destroyed meanwhile is told by its own outcome. Returns the releases too, whose
/// commands are still to be run.
pub async fn promote(db: &Db, promote: &Promote<'_>) -> Result<(Promotion, Vec<Release>), PromoteError> {
    let mut tx = db.write().await?;
    let artifact = db::artifacts::of_release(&mut tx, promote.release).await?;
    let no_code = || Invalid(format!("{} of {} has no code to promote.", promote.release.version, promote.source.name));
    let artifact = artifact.ok_or_else(no_code)?;
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
                let release = release_to(&mut tx, db, promote, &app, &artifact).await?;
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

/// Makes a release of `app` with another app's code and its own config.
async fn release_to(
    tx: &mut Connection,
    db: &Db,
    promote: &Promote<'_>,
    app: &App,
    artifact: &Artifact,
) -> Result<Release, DbError> {
    if let Artifact::OciImage(image) = artifact {
        share_image(tx, image, app.id, promote.at).await?;
    }
    let copy = copy_for(app, artifact, promote.at);
    db::artifacts::insert(tx, &copy).await?;
    let new = NewRelease {
        app: app.id,
        description: description(promote, artifact),
        by: promote.by,
        artifact: Some(copy.id()),
        // The build is the source's.
        build: None,
        commit: artifact.commit().cloned(),
        config: base_config(tx, db, app.id).await?,
        status: status_of_new(&copy),
        at: promote.at,
    };
    db::releases::append(tx, db.cipher(), new).await
}

/// A slug or an image is one app's, so that who may see it is who may see the app; the blobs are the same.
fn copy_for(app: &App, artifact: &Artifact, at: OffsetDateTime) -> Artifact {
    match artifact.clone() {
        Artifact::Slug(slug) => Artifact::Slug(Slug { id: SlugId::new(), app: app.id, created_at: at, ..slug }),
        Artifact::OciImage(image) => Artifact::OciImage(OciImage { id: OciImageId::new(), app: app.id, created_at: at, ..image }),
    }
}

/// `Promote staging-app v12 a617a93d` (conventions 3.8).
fn description(promote: &Promote<'_>, artifact: &Artifact) -> String {
    let source = format!("Promote {} {}", promote.source.name, promote.release.version);
    artifact.commit().map_or_else(|| source.clone(), |commit| format!("{source} {}", commit.short()))
}
