//! Folders in which trees come and go.

use std::fs::{File, create_dir_all};
use std::io;
use std::path::Path;

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

/// Makes a folder, unless it is there, in which trees are made and removed again. Blocks.
///
/// ext4 makes a file near its folder, and passes over inodes that were freed within the last minutes, one by one and for each
/// new file (`recently_deleted` in the kernel's fs/ext4/ialloc.c): beside tens of thousands of removed files a tree takes ten times as
/// long to make. The flag (`T` of chattr(1)) has it put each folder that is made in this one far from the others.
pub fn make_yard(dir: &Path) -> io::Result<()> {
    create_dir_all(dir)?;
    let dir = File::open(dir)?;
    // Other file systems have no such flag, and another user's folder keeps those that it has.
    if let Ok(flags) = ioctl_getflags(&dir) {
        let _ = ioctl_setflags(&dir, flags | IFlags::TOPDIR);
    }
    Ok(())
}
