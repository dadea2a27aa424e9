//! Removes a tree, however deep it is nested.

use std::ffi::{CStr, CString};
use std::io::{self, BufRead};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

/// Removes everything in the folder `base`. Folders on the way are moved up into `base` before their turn comes,
/// so that neither path length nor open files nor the stack limit the depth. Entries that somebody else removes
/// meanwhile are no error.
pub(in crate::engine) fn remove_contents(base: impl AsFd) -> io::Result<()> {
    let base = base.as_fd();
    let mut folders = Vec::new();
    clear_files(&open_folder(base, c".")?, |name| {
        folders.push(name.to_owned());
        Ok(())
    })?;
    let mut moved = 0_u64;
    while let Some(folder_name) = folders.pop() {
        let folder = match open_folder(base, &folder_name) {
            Err(Errno::NOENT) => continue,
            folder => folder?,
        };
        clear_files(&folder, |name| {
            loop {
                moved += 1;
                let new_name = CString::new(format!(".hoist-removes-{}-{moved}", std::process::id())).expect("no zero byte");
                match renameat(&folder, name, base, &new_name) {
                    // A stranger's has this name.
                    Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                    moved => {
                        folders.push(new_name);
                        return ignore_missing(moved);
                    }
                }
            }
        })?;
        ignore_missing(unlinkat(base, &folder_name, AtFlags::REMOVEDIR))?;
    }
    Ok(())
}

/// Removes what is in the folder `base` under names that are read: paths, each with a NUL behind it. Those that are missing are no
/// error.
pub(in crate::engine) fn remove_named(base: impl AsFd, mut names: impl BufRead) -> io::Result<()> {
    let base = base.as_fd();
    let mut name = Vec::new();
    while names.read_until(0, &mut name)? > 0 {
        let path = CStr::from_bytes_with_nul(&name).map_err(io::Error::other)?;
        match unlinkat(base, path, AtFlags::empty()) {
            Err(Errno::ISDIR) => {
                remove_contents(open_folder(base, path)?)?;
                ignore_missing(unlinkat(base, path, AtFlags::REMOVEDIR))?;
            }
            removed => ignore_missing(removed)?,
        }
        name.clear();
    }
    Ok(())
}

/// Removes everything in one folder but the folders, which are handed on.
fn clear_files(folder: &OwnedFd, mut subfolder: impl FnMut(&CStr) -> io::Result<()>) -> io::Result<()> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        match entry.file_name() {
            name if name == c"." || name == c".." => {}
            name if entry.file_type() == FileType::Directory => subfolder(name)?,
            name => ignore_missing(unlinkat(folder, name, AtFlags::empty()))?,
        }
    }
    Ok(())
}

fn open_folder(base: impl AsFd, name: &CStr) -> rustix::io::Result<OwnedFd> {
    openat(base, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn ignore_missing(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use rustix::fs::mkdirat;

    use super::*;

    #[test]
    fn removes_deep_trees_and_leaves_link_targets() {
        let kept = tempfile::tempdir().unwrap();
        fs::write(kept.path().join("file"), "").unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        symlink(kept.path(), dir.path().join("link")).unwrap();
        let mut deepest = OwnedFd::from(File::open(dir.path()).unwrap());
        for _ in 0..5000 {
            mkdirat(&deepest, c"deeper", Mode::RWXU).unwrap();
            deepest = open_folder(&deepest, c"deeper").unwrap();
        }
        drop(deepest);
        remove_contents(File::open(dir.path()).unwrap()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(kept.path().join("file").exists());
    }

    #[test]
    fn names_that_are_taken_are_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        for number in [1, 2] {
            let taken = format!(".hoist-removes-{}-{number}", std::process::id());
            fs::create_dir_all(dir.path().join(&taken).join("full")).unwrap();
            fs::create_dir_all(dir.path().join("a").join(taken).join("full")).unwrap();
        }
        fs::write(dir.path().join(format!(".hoist-removes-{}-3", std::process::id())), "").unwrap();
        remove_contents(File::open(dir.path()).unwrap()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn removes_what_is_named_and_nothing_else() {
        let kept = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("a/b/c")).unwrap();
        for name in ["a/b/c/d", "a/new\nline", "a/other", "file"] {
            fs::write(at(name), "").unwrap();
        }
        symlink(kept.path(), at("link")).unwrap();
        remove_named(File::open(dir.path()).unwrap(), &b"a/b\0a/new\nline\0missing\0link\0"[..]).unwrap();
        let names = |dir| fs::read_dir(dir).unwrap().count();
        assert!(at("a/other").exists() && at("file").exists() && kept.path().exists());
        assert_eq!((names(at("a")), names(at(""))), (1, 2));
        assert!(remove_named(File::open(dir.path()).unwrap(), &b"file"[..]).is_err(), "cut off");
        assert!(at("file").exists());
    }
}
