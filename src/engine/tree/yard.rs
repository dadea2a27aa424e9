//! Folders in which trees come and go.
//!
//! ext4 makes a file near its folder, and passes over inodes that were freed within the last minutes, one by one and for each
//! new file (`recently_deleted` in the kernel's fs/ext4/ialloc.c): beside tens of thousands of removed files a tree takes ten
//! times as long to make. So trees stand far from those that were there just before.

use std::fs::{File, create_dir, create_dir_all, read_dir};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

/// Enough that trees of minutes ago are in others.
const LOTS: usize = 64;

/// Makes a folder, unless it is there, whose folders a file system puts far from one another if it can. Blocks.
pub fn make_yard(dir: &Path) -> io::Result<()> {
    create_dir_all(dir)?;
    let dir = File::open(dir)?;
    // `T` of chattr(1). Other file systems have no such flag, and another user's folder keeps those that it has.
    if let Ok(flags) = ioctl_getflags(&dir) {
        let _ = ioctl_setflags(&dir, flags | IFlags::TOPDIR);
    }
    Ok(())
}

/// A folder with lots for trees, which take turns: of several trees in a row each would be put where the one before was.
#[derive(Debug)]
pub(in crate::engine) struct Yard {
    dir: PathBuf,
    turns: AtomicUsize,
}

impl Yard {
    /// Makes the folder. Blocks.
    pub(in crate::engine) fn open(dir: &Path) -> io::Result<Self> {
        make_yard(dir)?;
        Ok(Self { dir: dir.canonicalize()?, turns: AtomicUsize::new(0) })
    }

    pub(in crate::engine) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The lot for the next tree. Blocks.
    pub(in crate::engine) fn next_lot(&self) -> io::Result<PathBuf> {
        let lot = self.dir.join((self.turns.fetch_add(1, Ordering::Relaxed) % LOTS).to_string());
        match create_dir(&lot) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(lot),
        }
    }

    /// All that stands in the lots, and beside them. Blocks.
    pub(in crate::engine) fn trees(&self) -> io::Result<Vec<PathBuf>> {
        let lots: Vec<_> = (0..LOTS).map(|number| self.dir.join(number.to_string())).collect();
        let (lots, mut trees): (Vec<_>, Vec<_>) = paths_in(&self.dir)?.into_iter().partition(|path| lots.contains(path));
        for lot in &lots {
            trees.extend(paths_in(lot)?);
        }
        Ok(trees)
    }
}

fn paths_in(dir: &Path) -> io::Result<Vec<PathBuf>> {
    read_dir(dir)?.map(|entry| Ok(entry?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_take_turns_and_all_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let yard = Yard::open(dir.path()).unwrap();
        let lots: Vec<_> = (0..=LOTS).map(|_| yard.next_lot().unwrap()).collect();
        assert_eq!((lots[0] != lots[1], &lots[0]), (true, &lots[LOTS]));
        assert!(yard.trees().unwrap().is_empty());
        let trees = [yard.dir().join("stray"), lots[0].join("a"), lots[1].join("b")];
        for tree in &trees {
            create_dir(tree).unwrap();
        }
        let mut found = Yard::open(dir.path()).unwrap().trees().unwrap();
        found.sort();
        assert_eq!(found, [&trees[1], &trees[2], &trees[0]].map(PathBuf::clone));
    }
}
