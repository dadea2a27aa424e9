//! `bin/compile` of each pack in order, on the same `BUILD_DIR` and `CACHE_DIR`.

use super::detect::{Detected, detect_one};
use super::{Build, BuildError, CACHE_DIR, ENV_DIR};
use crate::engine::Exit;

/// What the packs made of the app.
#[derive(Debug)]
pub struct Compiled {
    /// The pack whose `bin/release` counts: the last one (conventions 3.6).
    pub(super) last: Detected,
    /// What that pack calls the app.
    pub language: String,
}

/// Compiles with every pack of `packs`, which must not be empty.
pub async fn compile(build: &Build<'_>, packs: Vec<Detected>) -> Result<Compiled, BuildError> {
    let mut exports = Vec::new();
    let mut last = None;
    let mut packs = packs.into_iter().peekable();
    while let Some(mut detected) = packs.next() {
        detected.pack.exports.clone_from(&exports);
        if detected.language.is_none() {
            detect_one(build, &mut detected).await?;
        }
        let language = detected.language.clone().unwrap_or_default();
        build.set_language(&language);
        compile_one(build, &detected, &language).await?;
        // Exports are for the packs that follow.
        if packs.peek().is_some() {
            exports.extend(export_of(build, &detected).await?);
        }
        last = Some(Compiled { last: detected, language });
    }
    Ok(last.expect("select gives at least one pack"))
}

async fn compile_one(build: &Build<'_>, detected: &Detected, language: &str) -> Result<(), BuildError> {
    match build.run_streamed(&detected.pack, "bin/compile", &[&build.dir(), CACHE_DIR, ENV_DIR]).await? {
        Exit::Code(0) => Ok(()),
        exit => Err(BuildError::Compile { language: language.to_owned(), exit }),
    }
}

/// The pack's `export` file, if its compile wrote one.
async fn export_of(build: &Build<'_>, detected: &Detected) -> Result<Option<String>, BuildError> {
    let file = format!("{}/export", detected.pack.dir);
    let found = build.answer_of(&["test", "-f", &build.environment.path(&file)]).await?;
    Ok((found.exit == Exit::Code(0)).then_some(file))
}
