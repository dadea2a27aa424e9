//! Asking buildpacks whether they apply.

use super::found::FoundPack;
use super::script::{Answer, Pack};
use super::{Build, BuildError, builtin};
use crate::engine::Exit;
use crate::model::{BuildpackRef, UsedBuildpack};

/// The packs that apply to almost anything; the other built-in ones are for a language each.
const FALLBACKS: [&str; 2] = ["static", "procfile"];
/// What makes a folder a buildpack (conventions 3.6).
const NEEDED: [&str; 2] = ["bin/detect", "bin/compile"];

/// A buildpack in the environment and, once it has been asked, what it calls the app.
#[derive(Debug, Clone)]
pub struct Detected {
    pub buildpack: BuildpackRef,
    /// What the build remembers of it.
    pub used: UsedBuildpack,
    pub(super) pack: Pack,
    /// What `bin/detect` printed: `Node.js`.
    pub language: Option<String>,
}

impl Detected {
    /// Puts a pack into the environment and sees to it that it is one. It has not been asked yet.
    pub(super) async fn put(build: &Build<'_>, found: FoundPack, folder: &str) -> Result<Self, BuildError> {
        let (buildpack, used) = (found.buildpack.clone(), found.used());
        let pack = found.put(build, folder).await?;
        for script in NEEDED {
            check_script(build, &buildpack, &pack, script).await?;
        }
        Ok(Self { buildpack, used, pack, language: None })
    }
}

async fn check_script(build: &Build<'_>, buildpack: &BuildpackRef, pack: &Pack, script: &'static str) -> Result<(), BuildError> {
    let path = build.environment.path(&format!("{}/{script}", pack.dir));
    let answer = build.answer_of(&["sh", "-c", r#"test -f "$0" || exit 2; test -x "$0""#, &path]).await?;
    match answer.exit {
        Exit::Code(0) => Ok(()),
        exit => Err(BuildError::NoScript { buildpack: buildpack.clone(), script, is_there: exit == Exit::Code(1) }),
    }
}

/// Asks a pack that was set on the app; its refusal fails the build.
pub(super) async fn detect_one(build: &Build<'_>, detected: &mut Detected) -> Result<(), BuildError> {
    let answer = detect(build, &detected.pack).await?;
    if answer.exit != Exit::Code(0) {
        return Err(BuildError::Incompatible { buildpack: detected.buildpack.clone(), output: answer.all });
    }
    detected.language = Some(language(&answer, &detected.buildpack));
    announce(build, detected);
    Ok(())
}

/// Asks the built-in packs in order and takes the first that applies. The packs that apply to almost anything are
/// asked only when none of the languages' own did.
pub(super) async fn first_detected(build: &Build<'_>) -> Result<Detected, BuildError> {
    let (fallbacks, languages): (Vec<_>, Vec<_>) = builtin::names().into_iter().partition(|name| FALLBACKS.contains(name));
    let mut matches = all_detected(build, &languages).await?;
    if matches.len() > 1 {
        warn_of_several(build, &matches);
    }
    if matches.is_empty() {
        matches = all_detected(build, &fallbacks).await?;
    }
    let first = matches.into_iter().next().ok_or(BuildError::NothingDetected)?;
    announce(build, &first);
    Ok(first)
}

async fn all_detected(build: &Build<'_>, names: &[&str]) -> Result<Vec<Detected>, BuildError> {
    let mut matches = Vec::new();
    for name in names {
        let buildpack = BuildpackRef::Builtin((*name).to_owned());
        let found = FoundPack::builtin(buildpack.clone(), name).ok_or_else(|| BuildError::NoSuchBuildpack(buildpack.clone()))?;
        let used = found.used();
        let pack = found.put(build, name).await?;
        let answer = detect(build, &pack).await?;
        if answer.exit == Exit::Code(0) {
            matches.push(Detected { language: Some(language(&answer, &buildpack)), buildpack, used, pack });
        }
    }
    Ok(matches)
}

async fn detect(build: &Build<'_>, pack: &Pack) -> Result<Answer, BuildError> {
    build.run_for_answer(pack, "bin/detect", &[&build.dir]).await
}

/// The first line that detect printed, or the pack's name when it printed nothing.
fn language(answer: &Answer, buildpack: &BuildpackRef) -> String {
    let name = answer.stdout.lines().next().map(str::trim).filter(|line| !line.is_empty());
    name.map_or_else(|| buildpack.shown(), |line| line.chars().filter(|c| !c.is_control()).take(80).collect())
}

fn announce(build: &Build<'_>, detected: &Detected) {
    if let Some(language) = &detected.language {
        build.transcript.section(&format!("{language} app detected"));
    }
}

/// Words and indentation of conventions 3.1.
fn warn_of_several(build: &Build<'_>, matches: &[Detected]) {
    let names: Vec<_> = matches.iter().filter_map(|detected| detected.language.as_deref()).collect();
    build.transcript.warning(
        "Warning: Multiple default buildpacks reported the ability to handle this app. The first buildpack in the list below will be used.",
    );
    build.transcript.line(&format!("\t\t\tDetected buildpacks: {}", names.join(",")));
    build.transcript.line("\t\t\tSee https://devcenter.heroku.com/articles/buildpacks#buildpack-detect-order");
}
