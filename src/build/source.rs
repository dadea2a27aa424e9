//! The source tree: exported from git straight into the environment, without what `.slugignore` names.

use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::{Build, BuildError};
use crate::git::{Quarantine, Repo};
use crate::model::CommitId;

/// The largest `.slugignore` that is read, in bytes.
const MAX_SLUGIGNORE: u64 = 64 * 1024;
/// What may wait between git and the environment, in bytes.
const PIPE_BYTES: usize = 256 * 1024;

/// A commit, in an app's repository or still in quarantine.
#[derive(Debug, Clone)]
pub struct GitSource {
    pub repo: Repo,
    pub quarantine: Option<Arc<Quarantine>>,
    pub commit: CommitId,
}

/// Puts the commit's tree into `BUILD_DIR`. `.slugignore` applies before any pack runs (conventions 3.7).
pub async fn put_source(build: &Build<'_>, source: &GitSource) -> Result<(), BuildError> {
    let quarantine = source.quarantine.as_deref();
    let slugignore = source.repo.read_file(quarantine, &source.commit, ".slugignore", MAX_SLUGIGNORE).await?;
    let ignore = slugignore.as_deref().map_or_else(|| Ok(Gitignore::empty()), parse_slugignore)?;
    let (writer, reader) = tokio::io::duplex(PIPE_BYTES);
    let dir = build.dir();
    let export = source.repo.export(quarantine, &source.commit, &ignore, writer);
    let (exported, put) = tokio::join!(export, build.environment.put_in(&dir, reader));
    let exported = exported?;
    put?;
    if !exported.submodules.is_empty() {
        return Err(BuildError::Submodules(exported.submodules));
    }
    if exported.ignored_files > 0 {
        build.transcript.section(&format!("Deleting {} files matching .slugignore patterns.", exported.ignored_files));
    }
    Ok(())
}

/// Reads `.slugignore`: gitignore's patterns, except that `!` has no meaning (conventions 3.7).
fn parse_slugignore(text: &[u8]) -> Result<Gitignore, BuildError> {
    let text = std::str::from_utf8(text).map_err(|_| BuildError::Slugignore("it is not UTF-8 text".into()))?;
    let mut builder = GitignoreBuilder::new("");
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.starts_with('!')) {
        builder.add_line(None, line).map_err(|error| BuildError::Slugignore(format!("line {number}: {error}")))?;
    }
    builder.build().map_err(|error| BuildError::Slugignore(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugignore_is_gitignore_without_exceptions() {
        let ignore = parse_slugignore(b"*.psd\n# note\n/test\n!keep.psd\n").unwrap();
        let ignored = |path: &str, is_dir| ignore.matched(path, is_dir).is_ignore();
        assert!(ignored("a/b.psd", false) && ignored("keep.psd", false) && ignored("test", true));
        assert!(!ignored("a/test", true) && !ignored("app.js", false));
        assert!(parse_slugignore(b"\xff").is_err());
    }
}
