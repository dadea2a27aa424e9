//! The stacks that are ready for use in a stacks folder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{StackError, io_error};
use crate::model::{Digest, StackName};

/// A stack that environments can start from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    pub name: StackName,
    /// Of both roots' content: what a release records.
    pub digest: Digest,
    /// Where buildpacks run.
    pub build_root: PathBuf,
    /// Where releases run.
    pub run_root: PathBuf,
}

/// `current.json`: which of a stack's digests is in use.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Current {
    pub digest: String,
    /// Digest of the recipe it was made from.
    pub recipe: String,
}

/// Finds the stack in use under a name. Fails with [`StackError::NotBuilt`] when there is none.
pub fn find(stacks_dir: &Path, name: &StackName) -> Result<Stack, StackError> {
    let home = stacks_dir.join(name.as_str());
    let current = read_current(&home)?.ok_or_else(|| StackError::NotBuilt(name.clone()))?;
    let path = home.join("current.json");
    let digest: Digest = current.digest.parse().map_err(|why| StackError::Damaged { path, why: format!("{why}") })?;
    let stack = installed(&home, name, digest);
    for root in [&stack.build_root, &stack.run_root] {
        if !root.is_dir() {
            return Err(StackError::Damaged { path: root.clone(), why: "the folder is missing".into() });
        }
    }
    Ok(stack)
}

/// The stack of this digest as it stands in the folder of its name.
pub(super) fn installed(home: &Path, name: &StackName, digest: Digest) -> Stack {
    let folder = home.join(digest.hex());
    Stack { name: name.clone(), digest, build_root: folder.join("build"), run_root: folder.join("run") }
}

/// Lists the stacks in use, by name. A folder without any is empty.
pub fn list(stacks_dir: &Path) -> Result<Vec<Stack>, StackError> {
    let entries = match fs::read_dir(stacks_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(io_error(format!("read {}", stacks_dir.display())))?,
    };
    let mut stacks = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io_error(format!("read {}", stacks_dir.display())))?;
        let Some(name) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        match find(stacks_dir, &name) {
            Err(StackError::NotBuilt(_)) => {}
            other => stacks.push(other?),
        }
    }
    stacks.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(stacks)
}

/// Reads `current.json` of a stack's folder; `None` when the stack was never built.
pub(super) fn read_current(home: &Path) -> Result<Option<Current>, StackError> {
    let path = home.join("current.json");
    let bytes = match fs::read(&path) {
        // A file in the place of the folder is no stack either.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        other => other.map_err(io_error(format!("read {}", path.display())))?,
    };
    let current = serde_json::from_slice(&bytes).map_err(|why| StackError::Damaged { path, why: why.to_string() })?;
    Ok(Some(current))
}

/// Puts a stack in use: after a crash either the old or the new one is, never half of one.
pub(super) fn write_current(home: &Path, current: &Current) -> Result<(), StackError> {
    let write = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(home)?;
        file.write_all(&serde_json::to_vec_pretty(current)?)?;
        file.as_file().sync_all()?;
        file.persist(home.join("current.json"))?;
        File::open(home)?.sync_all()
    };
    write().map_err(io_error(format!("write {}", home.join("current.json").display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(stacks_dir: &Path, name: &str, byte: u8) -> Digest {
        let digest = Digest::from_bytes([byte; 32]);
        let home = stacks_dir.join(name);
        for root in ["build", "run"] {
            fs::create_dir_all(home.join(digest.hex()).join(root)).unwrap();
        }
        write_current(&home, &Current { digest: digest.to_string(), recipe: String::new() }).unwrap();
        digest
    }

    #[test]
    fn the_last_written_stack_is_found() {
        let dir = tempfile::tempdir().unwrap();
        install(dir.path(), "debian-12", 1);
        let digest = install(dir.path(), "debian-12", 2);
        let stack = find(dir.path(), &"debian-12".parse().unwrap()).unwrap();
        assert_eq!(stack.digest, digest);
        assert_eq!(stack.run_root, dir.path().join("debian-12").join(digest.hex()).join("run"));
        assert_eq!(list(dir.path()).unwrap(), [stack]);
    }

    #[test]
    fn what_was_never_built_says_how_to_build_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("debian-12")).unwrap();
        let error = find(dir.path(), &"debian-12".parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "the stack debian-12 has not been built here: run `hoist stack:build debian-12`");
        assert_eq!(list(dir.path()).unwrap(), []);
        assert_eq!(list(&dir.path().join("nowhere")).unwrap(), []);
    }

    #[test]
    fn a_missing_root_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let digest = install(dir.path(), "debian-12", 1);
        fs::remove_dir(dir.path().join("debian-12").join(digest.hex()).join("run")).unwrap();
        assert!(matches!(find(dir.path(), &"debian-12".parse().unwrap()), Err(StackError::Damaged { .. })));
    }
}
