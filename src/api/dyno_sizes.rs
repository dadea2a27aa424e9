//! The sizes of dynos.

use axum::Json;

use super::error::ApiError;
use super::extract::{Caller, InApp, Named, See};
use super::range::{Page, Range};
use super::types::{DynoSize, NamedRef, stable_id};
use crate::model;

/// `GET /dyno-sizes`
pub(super) async fn list(_: Caller, range: Range) -> Result<Page<DynoSize>, ApiError> {
    range.cut(all(), &[("name", |size| size.name.clone()), ("id", |size| size.id.clone())])
}

/// `GET /apps/{app}/available-dyno-sizes`: the same for every app.
pub(super) async fn list_of_app(at: InApp<See>, range: Range) -> Result<Page<DynoSize>, ApiError> {
    list(Caller(at.by), range).await
}

/// `GET /dyno-sizes/{size}`, by name or id.
pub(super) async fn info(_: Caller, Named(size): Named) -> Result<Json<DynoSize>, ApiError> {
    let is = |one: &DynoSize| one.id == size || one.name.eq_ignore_ascii_case(&size);
    all().into_iter().find(is).map(Json).ok_or(ApiError::NotFound("dyno_size"))
}

/// A size as it is listed, by its name in any case or by its id.
pub(super) fn canonical_name(name_or_id: &str) -> Result<String, ApiError> {
    let by_id = model::DynoSize::ALL.into_iter().find(|size| id(size.name) == name_or_id);
    let size = by_id.map_or_else(|| model::DynoSize::named(name_or_id), Ok)?;
    Ok(size.name.to_owned())
}

fn id(name: &str) -> String {
    stable_id(&["dyno-size", name])
}

fn all() -> Vec<DynoSize> {
    let describe = |size: model::DynoSize| DynoSize {
        architecture: "x86_64".into(),
        compute: size.compute,
        cost: None,
        dedicated: size.dedicated,
        generation: NamedRef::named("generation", "cedar"),
        id: id(size.name),
        memory: size.memory_gb,
        name: size.name.into(),
        precise_dyno_units: f64::from(size.compute),
        private_space_only: false,
    };
    model::DynoSize::ALL.map(describe).into()
}
