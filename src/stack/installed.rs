//! The stacks that are ready for use in a stacks folder.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::home::ROOTS;
use super::pulled::{ImageNames, Pulled, Record, read_record};
use super::{StackError, io_error};
use crate::model::{Digest, StackName};

/// How often a stack is looked for anew that was replaced meanwhile.
const HOLD_ATTEMPTS: u32 = 10;

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
    /// What the images that it was pulled from set for whatever runs in them, in builds and in releases; nothing otherwise.
    pub build_env: BTreeMap<String, String>,
    pub run_env: BTreeMap<String, String>,
    pub pulled: Option<Pulled>,
}

/// A stack that stays as it is until this goes.
#[derive(Debug)]
pub struct Held {
    pub stack: Stack,
    hold: File,
}

impl Held {
    /// What keeps the stack's files, to be handed to whoever uses them.
    #[must_use]
    pub fn into_hold(self) -> Hold {
        Hold { _file: self.hold }
    }
}

/// Keeps a stack's files: as long as it is there, nobody removes them, in this process or another.
#[derive(Debug)]
pub struct Hold {
    _file: File,
}

/// `current.json`: which of a stack's digests is in use.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Current {
    pub digest: String,
    /// Digest of the recipe it was made from; empty for one that was pulled.
    pub recipe: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<ImageNames>,
}

/// Finds the stack in use under a name. Fails with [`StackError::NotBuilt`] when there is none.
pub fn find(stacks_dir: &Path, name: &StackName) -> Result<Stack, StackError> {
    let home = stacks_dir.join(name.as_str());
    let current = read_current(&home)?.ok_or_else(|| StackError::NotBuilt(name.clone()))?;
    let path = home.join("current.json");
    let digest: Digest = current.digest.parse().map_err(|why| StackError::Damaged { path, why: format!("{why}") })?;
    let folder = home.join(digest.hex());
    let (build_root, run_root) = (folder.join("build"), folder.join("run"));
    for root in [&build_root, &run_root] {
        if !root.is_dir() {
            return Err(StackError::Damaged { path: root.clone(), why: "the folder is missing".into() });
        }
    }
    let mut stack = Stack {
        name: name.clone(),
        digest,
        build_root,
        run_root,
        build_env: BTreeMap::new(),
        run_env: BTreeMap::new(),
        pulled: None,
    };
    if let (Some(names), Some(Record { build, run, size_bytes, .. })) = (current.images, read_record(&folder)?) {
        (stack.build_env, stack.run_env) = (build.env, run.env);
        stack.pulled = Some(Pulled { names, build_digest: build.digest, run_digest: run.digest, size_bytes });
    }
    Ok(stack)
}

/// Finds the stack in use under a name, and keeps its files. As [`find`] otherwise.
pub fn hold(stacks_dir: &Path, name: &StackName) -> Result<Held, StackError> {
    // Between finding and holding, another one may take its place, and it may go.
    for _ in 1..HOLD_ATTEMPTS {
        let Ok(stack) = find(stacks_dir, name) else { continue };
        if let Ok(Some(hold)) = hold_folder(&stack) {
            return Ok(Held { stack, hold });
        }
    }
    let stack = find(stacks_dir, name)?;
    let gone = || io::Error::other("it is being replaced again and again");
    let hold = hold_folder(&stack).and_then(|hold| hold.ok_or_else(gone)).map_err(io_error(format!("hold the stack {name}")))?;
    Ok(Held { stack, hold })
}

fn hold_folder(stack: &Stack) -> io::Result<Option<File>> {
    let file = File::open(stack.folder())?;
    match file.try_lock_shared() {
        Ok(()) => Ok((stack.build_root.is_dir() && stack.run_root.is_dir()).then_some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Stack {
    /// What holds both roots, and the layers.
    pub(super) fn folder(&self) -> &Path {
        self.run_root.parent().expect("a root lies in its stack's folder")
    }
}

/// Tells whether both roots of a digest are there: each is put in its place, and taken from it, as a whole.
pub(super) fn is_whole(home: &Path, digest: &Digest) -> bool {
    ROOTS.iter().all(|root| home.join(digest.hex()).join(root).is_dir())
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
        write_current(&home, &Current { digest: digest.to_string(), recipe: String::new(), images: None }).unwrap();
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
    fn a_stack_that_is_held_is_found_by_others_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        install(dir.path(), "debian-12", 1);
        let name = "debian-12".parse().unwrap();
        let held = [hold(dir.path(), &name).unwrap(), hold(dir.path(), &name).unwrap()];
        let folder = File::open(held[0].stack.folder()).unwrap();
        assert!(folder.try_lock().is_err());
        drop(held.map(Held::into_hold));
        folder.try_lock().unwrap();
        assert!(hold(dir.path(), &name).is_err(), "it is just going");
    }

    #[test]
    fn what_was_never_built_says_how_to_build_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("debian-12")).unwrap();
        let error = find(dir.path(), &"debian-12".parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "the stack debian-12 has not been built here: run `hoist stack:build debian-12`");
        let error = find(dir.path(), &"mine".parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "the stack mine is not here: run `hoist stack:pull mine IMAGE`");
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
