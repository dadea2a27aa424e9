//! `bin/compile` of each pack in order, on the same `BUILD_DIR` and `CACHE_DIR`; `bin/test-compile` for a test run.

use super::detect::{Detected, detect_one};
use super::report::take_report;
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

/// What an app is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Release,
    Tests,
}

/// Compiles with every pack of `packs`, which must not be empty.
pub async fn compile(build: &Build<'_>, packs: Vec<Detected>) -> Result<Compiled, BuildError> {
    compile_for(Purpose::Release, build, packs).await
}

/// Compiles for a test run: by `bin/test-compile` of each pack that has one (conventions 3.6).
pub async fn test_compile(build: &Build<'_>, packs: Vec<Detected>) -> Result<Compiled, BuildError> {
    compile_for(Purpose::Tests, build, packs).await
}

/// The command that runs the app's tests, `bin/test BUILD_DIR ENV_DIR` of the last pack; `None` when it has no such script.
pub async fn test_command(build: &Build<'_>, compiled: &Compiled) -> Result<Option<String>, BuildError> {
    if !has_script(build, &compiled.last, "bin/test").await? {
        return Ok(None);
    }
    let script = format!("{}/bin/test", compiled.last.pack.dir);
    let words = [&script, &build.dir, ENV_DIR].map(|path| build.environment.path(path));
    let command = shlex::try_join(words.iter().map(String::as_str));
    Ok(Some(command.expect("hoist's own paths have no NUL byte")))
}

async fn compile_for(purpose: Purpose, build: &Build<'_>, packs: Vec<Detected>) -> Result<Compiled, BuildError> {
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
        compile_one(purpose, build, &detected, &language).await?;
        // Exports are for the packs that follow.
        if packs.peek().is_some() {
            exports.extend(export_of(build, &detected).await?);
        }
        last = Some(Compiled { last: detected, language });
    }
    Ok(last.expect("select gives at least one pack"))
}

async fn compile_one(purpose: Purpose, build: &Build<'_>, detected: &Detected, language: &str) -> Result<(), BuildError> {
    let for_tests = purpose == Purpose::Tests && has_script(build, detected, "bin/test-compile").await?;
    let script = if for_tests { "bin/test-compile" } else { "bin/compile" };
    let exit = build.run_streamed(&detected.pack, script, &[&build.dir, CACHE_DIR, ENV_DIR]).await?;
    // Nobody looks at those of a test run, and a build whose time is up has none left for them.
    if purpose == Purpose::Release && exit != Exit::TimedOut {
        take_report(build, detected).await;
    }
    match exit {
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

async fn has_script(build: &Build<'_>, detected: &Detected, script: &str) -> Result<bool, BuildError> {
    let path = build.environment.path(&format!("{}/{script}", detected.pack.dir));
    Ok(build.answer_of(&["test", "-x", &path]).await?.exit == Exit::Code(0))
}
