//! Pipelines: create, rename, destroy; which apps are in them; the config vars of their tests and review apps; which review
//! apps are wanted (`review_apps`). Each change is one transaction. What is promoted is a release, see
//! [`crate::release::promote`].

mod review_apps;

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::db::{self, Db, DbError};
use crate::model::{
    Account, App, ConfigKey, ConfigVars, Coupling, CouplingId, Invalid, Pipeline, PipelineId, PipelineName, Secret, Stage,
};

pub use review_apps::{
    NewReviewApp, change_review_apps, delete_review_app, disable_review_apps, enable_review_apps, want_review_app,
};

/// Why a pipeline could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Creates a pipeline without apps. Its name is its owner's only once.
pub async fn create(db: &Db, owner: &Account, name: PipelineName, now: OffsetDateTime) -> Result<Pipeline, PipelineError> {
    let pipeline = Pipeline { id: PipelineId::new(), name, owner: owner.id, created_at: now, updated_at: now };
    let mut tx = db.write().await?;
    db::pipelines::insert(&mut tx, &pipeline).await.map_err(|error| taken(&pipeline.name, error))?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(pipeline)
}

/// Gives a pipeline another name.
pub async fn rename(db: &Db, pipeline: Pipeline, name: PipelineName, now: OffsetDateTime) -> Result<Pipeline, PipelineError> {
    let mut tx = db.write().await?;
    db::pipelines::rename(&mut tx, pipeline.id, &name, now).await.map_err(|error| taken(&name, error))?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(Pipeline { name, updated_at: now, ..pipeline })
}

/// Gives a pipeline to another owner, with the config vars of its tests and review apps. Its apps stay with theirs.
pub async fn transfer(db: &Db, pipeline: &Pipeline, to: &Account, now: OffsetDateTime) -> Result<(), PipelineError> {
    let mut tx = db.write().await?;
    let moved = db::pipelines::set_owner(&mut tx, pipeline.id, (pipeline.owner, to.id), now).await.map_err(|error| {
        if !error.is_taken() {
            return PipelineError::Db(error);
        }
        Invalid(format!("{} owns a pipeline of the name {} already. Rename this one first.", to.email, pipeline.name)).into()
    })?;
    if !moved {
        return Err(Invalid(format!("The pipeline {} has got another owner meanwhile, or is gone.", pipeline.name)).into());
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}

/// Destroys a pipeline; its apps stay, and can join others.
pub async fn destroy(db: &Db, pipeline: PipelineId, now: OffsetDateTime) -> Result<(), DbError> {
    let mut tx = db.write().await?;
    db::pipelines::destroy(&mut tx, pipeline, now).await?;
    Ok(tx.commit().await?)
}

/// Sets (`Some`) and unsets (`None`) config vars of a stage, and returns them all. Of two changes at once, neither is lost.
pub async fn change_config(
    db: &Db,
    pipeline: PipelineId,
    stage: Stage,
    changes: &BTreeMap<ConfigKey, Option<Secret>>,
    now: OffsetDateTime,
) -> Result<ConfigVars, PipelineError> {
    let mut tx = db.write().await?;
    let config = db::pipeline_config_vars::get(&mut tx, db.cipher(), pipeline, stage).await?;
    let (config, _) = config.changed(changes)?;
    db::pipeline_config_vars::set(&mut tx, db.cipher(), (pipeline, stage), &config, now).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(config)
}

/// Adds an app to a pipeline.
pub async fn couple(
    db: &Db,
    pipeline: &Pipeline,
    app: &App,
    stage: Stage,
    now: OffsetDateTime,
) -> Result<Coupling, PipelineError> {
    let coupling =
        Coupling { id: CouplingId::new(), app: app.id, pipeline: pipeline.id, stage, created_at: now, updated_at: now };
    let mut tx = db.write().await?;
    db::pipeline_couplings::insert(&mut tx, &coupling).await.map_err(|error| match error {
        error if error.is_taken() => {
            Invalid(format!("{} is in a pipeline already. Remove it from there first.", app.name)).into()
        }
        error => PipelineError::Db(error),
    })?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(coupling)
}

/// Moves an app to another stage.
pub async fn move_to_stage(db: &Db, coupling: Coupling, stage: Stage, now: OffsetDateTime) -> Result<Coupling, DbError> {
    let mut tx = db.write().await?;
    db::pipeline_couplings::set_stage(&mut tx, coupling.id, stage, now).await?;
    tx.commit().await?;
    Ok(Coupling { stage, updated_at: now, ..coupling })
}

/// Takes an app out of its pipeline.
pub async fn uncouple(db: &Db, coupling: CouplingId) -> Result<(), DbError> {
    let mut tx = db.write().await?;
    db::pipeline_couplings::delete(&mut tx, coupling).await?;
    Ok(tx.commit().await?)
}

fn taken(name: &PipelineName, error: DbError) -> PipelineError {
    if error.is_taken() { Invalid(format!("Name {name} is already taken")).into() } else { error.into() }
}
