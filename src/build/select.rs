//! Which buildpacks build the app: those that are set on it, or the one that detects it.

use super::detect::{Detected, detect_one, first_detected};
use super::script::Pack;
use super::{Build, BuildError, PACKS_DIR, builtin};
use crate::engine::Exit;
use crate::model::BuildpackRef;

/// Says which buildpacks are used and puts them into the environment.
///
/// Of an explicit list only the first pack is asked now whether it applies: the others may depend on what the ones
/// before them do (conventions 3.3), so `compile` asks them in their turn.
pub async fn select(build: &Build<'_>, set: &[BuildpackRef]) -> Result<Vec<Detected>, BuildError> {
    match set {
        [] => build.transcript.section("Determining which buildpack to use for this app"),
        [one] => build.transcript.section(&format!("Using buildpack: {one}")),
        several => {
            build.transcript.section("Using buildpacks:");
            for (number, buildpack) in (1..).zip(several) {
                build.transcript.detail(&format!("{number}. {buildpack}"));
            }
        }
    }
    if set.is_empty() {
        return Ok(vec![first_detected(build).await?]);
    }
    let mut packs = Vec::with_capacity(set.len());
    for (index, buildpack) in set.iter().enumerate() {
        packs.push(Detected {
            buildpack: buildpack.clone(),
            pack: put_pack(build, buildpack, &index.to_string()).await?,
            language: None,
        });
    }
    detect_one(build, &mut packs[0]).await?;
    Ok(packs)
}

/// Puts one buildpack into the environment, in a folder of the given name.
pub(super) async fn put_pack(build: &Build<'_>, buildpack: &BuildpackRef, folder: &str) -> Result<Pack, BuildError> {
    let dir = format!("{PACKS_DIR}/{folder}");
    let missing = || BuildError::NoSuchBuildpack(buildpack.clone());
    match buildpack {
        BuildpackRef::Builtin(name) => {
            let tar = builtin::tar(name).ok_or_else(missing)?;
            build.environment.put_in(&dir, tar.as_slice()).await?;
        }
        // A copy: what a pack writes into its own folder (`export`) is not part of the app.
        BuildpackRef::InApp(path) => {
            let [packs, dir] = [PACKS_DIR, &dir].map(|folder| build.environment.path(folder));
            let script = r#"mkdir -p "$1" && exec cp -R -- "$0" "$2""#;
            let copy = build.answer_of(&["sh", "-c", script, path, &packs, &dir]).await?;
            if copy.exit != Exit::Code(0) {
                return Err(missing());
            }
        }
    }
    Ok(Pack { dir, exports: Vec::new() })
}
