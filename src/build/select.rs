//! The buildpacks that build the app: those that were found for it, or the one that detects it.

use super::detect::{Detected, detect_one, first_detected};
use super::found::FoundPack;
use super::{Build, BuildError};

/// Puts buildpacks into the environment, in order; without any, the one that detects the app.
///
/// Of several only the first one is asked now whether it applies: the others may depend on what the ones before them do
/// (conventions 3.3), so `compile` asks them in their turn.
pub async fn select(build: &Build<'_>, found: Vec<FoundPack>) -> Result<Vec<Detected>, BuildError> {
    if found.is_empty() {
        return Ok(vec![first_detected(build).await?]);
    }
    let mut packs = Vec::with_capacity(found.len());
    for (index, one) in found.into_iter().enumerate() {
        packs.push(Detected::put(build, one, &index.to_string()).await?);
    }
    detect_one(build, &mut packs[0]).await?;
    Ok(packs)
}
