//! The sizes of dynos. hoist runs nothing, so they are names for whatever does: Heroku's, which its clients know.

use axum::Json;

use super::error::ApiError;
use super::extract::{Caller, InApp, Named, See};
use super::range::{Page, Range};
use super::types::{DynoSize, NamedRef, stable_id};

/// The size of what nobody has sized.
pub(super) const DEFAULT: &str = "Basic";

/// Name, share of CPU, memory in GB, whether a host of its own; as Heroku's documents give them.
const SIZES: [(&str, u32, f64, bool); 6] = [
    ("Eco", 1, 0.5, false),
    ("Basic", 1, 0.5, false),
    ("Standard-1X", 1, 0.5, false),
    ("Standard-2X", 2, 1.0, false),
    ("Performance-M", 12, 2.5, true),
    ("Performance-L", 50, 14.0, true),
];

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
    let refuse = || {
        let known = SIZES.map(|size| size.0).join(", ");
        ApiError::InvalidParams(format!("There is no dyno size `{}`: use one of {known}.", name_or_id.escape_debug()))
    };
    let is = |one: &DynoSize| one.id == name_or_id || one.name.eq_ignore_ascii_case(name_or_id);
    all().into_iter().find(is).map(|size| size.name).ok_or_else(refuse)
}

fn all() -> Vec<DynoSize> {
    let describe = |(name, compute, memory, dedicated): (&str, u32, f64, bool)| DynoSize {
        architecture: "x86_64".into(),
        compute,
        cost: None,
        dedicated,
        generation: NamedRef::named("generation", "cedar"),
        id: stable_id(&["dyno-size", name]),
        memory,
        name: name.into(),
        precise_dyno_units: f64::from(compute),
        private_space_only: false,
    };
    SIZES.map(describe).into()
}
