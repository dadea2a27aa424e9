//! Reads a tree in order on a thread of its own, ahead of whoever takes its entries: finding and opening the next files
//! costs as much as reading them, and more when they are not in memory.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::UNIX_EPOCH;

use rustix::fs::{Advice, AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fadvise, fstat, openat, readlinkat, statat};
use rustix::io::Errno;
use rustix::path::Arg;

use super::{MAX_DEPTH, UNFIT};

/// How many entries the walk may be ahead; each may be an open file.
const AHEAD: usize = 64;

/// How many of them are handed over together: so seldom is whoever takes them woken.
const TOGETHER: usize = 16;

/// What was written so lately is in memory still, as a rule: most of what a build leaves.
const IN_MEMORY_SECS: i64 = 15 * 60;

/// `PATH_MAX` of Linux, with its NUL. Folder by folder one could go on, but nobody else could open what is found there, nor
/// make it again.
const MAX_PATH: usize = 4096;

/// Most entries of one folder: their names are held in memory to be sorted, up to about 100 MiB.
const MAX_FOLDER_ENTRIES: usize = 1_000_000;

/// One entry of a tree.
pub(super) struct Entry {
    /// Relative to the tree (`./a/b`), a folder's with a slash at its end.
    pub(super) name: Vec<u8>,
    pub(super) stat: Stat,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Folder,
    Link(CString),
    File(File),
}

/// Opens the tree's own folder. What has taken its place is not followed: a link leads to what is nobody's tree. A failure of the
/// tree's own is [`UNFIT`].
pub(in crate::engine) fn open_tree(dir: &Path) -> io::Result<OwnedFd> {
    let shown = dir.display();
    open_folder(CWD, dir).map_err(|error| match error {
        Errno::NOENT => unfit(format!("{shown} has been removed")),
        Errno::NOTDIR | Errno::LOOP => unfit(match std::fs::read_link(dir) {
            Ok(target) => format!("{shown} has become a symbolic link to {}", target.display()),
            Err(_) => format!("{shown} is no folder any more"),
        }),
        error => about(dir, error),
    })
}

/// Hands every folder, link and file of a tree to `take`: folders before what is in them, which is sorted by name. All else is
/// passed over. Ends with the first failure of either side, which calls the tree `dir`; one of the tree's own is [`UNFIT`].
pub(super) fn walk_ahead(root: &OwnedFd, dir: &Path, mut take: impl FnMut(Entry) -> io::Result<()>) -> io::Result<()> {
    let (ahead, entries) = sync_channel(AHEAD / TOGETHER);
    std::thread::scope(|scope| {
        let walker = std::thread::Builder::new().name("walk".into()).spawn_scoped(scope, move || {
            let in_memory_since = now_secs() - IN_MEMORY_SECS;
            let mut walk = Walk { dir, in_memory_since, name: b"./".to_vec(), found: Vec::with_capacity(TOGETHER), ahead };
            walk.folder(root.try_clone()?, 0)?;
            walk.hand_over()
        })?;
        // Dropping the receiver, also for a failure, lets the walk end.
        let taken = entries.into_iter().flatten().try_for_each(&mut take);
        let walked = walker.join().map_err(|_| io::Error::other("the walk through the files panicked"))?;
        // What the taker failed for comes first: the walk then only failed to hand over the next.
        taken.and(walked)
    })
}

struct Walk<'a> {
    /// For messages.
    dir: &'a Path,
    /// What has changed since this second need not be fetched.
    in_memory_since: i64,
    /// Of the entry that the walk has come to.
    name: Vec<u8>,
    found: Vec<Entry>,
    ahead: SyncSender<Vec<Entry>>,
}

impl Walk<'_> {
    /// Hands over a folder, and what is in it.
    fn folder(&mut self, folder: OwnedFd, depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(unfit(format!("{} is nested too deep", self.path().display())));
        }
        self.found(fstat(&folder).map_err(|error| self.about(error))?, Kind::Folder)?;
        let length = self.name.len();
        let mut entries = Dir::new(folder).map_err(|error| self.about(error))?;
        let sorted = self.sorted(&mut entries)?;
        let folder = entries.fd().map_err(|error| self.about(error))?;
        for (file_name, kind) in sorted {
            self.name.truncate(length);
            self.name.extend_from_slice(file_name.to_bytes());
            if self.dir.as_os_str().len() + self.name.len() > MAX_PATH {
                return Err(self.about(Errno::NAMETOOLONG));
            }
            match kind {
                FileType::Directory => {
                    self.name.push(b'/');
                    let below = open_folder(folder, &*file_name).map_err(|error| self.about(error))?;
                    self.folder(below, depth + 1)?;
                }
                FileType::Symlink => {
                    let target = readlinkat(folder, &*file_name, Vec::new()).map_err(|error| self.about(error))?;
                    let stat = statat(folder, &*file_name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| self.about(error))?;
                    self.found(stat, Kind::Link(target))?;
                }
                FileType::RegularFile => {
                    let (file, stat) = self.open_file(folder, &file_name).map_err(|error| self.about(error))?;
                    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                        return Err(io::Error::other(format!("{}: changed while it was read", self.path().display())));
                    }
                    self.found(stat, Kind::File(file))?;
                }
                _ => {}
            }
        }
        self.name.truncate(length);
        Ok(())
    }

    /// Opens a file and has the kernel fetch it meanwhile. Neither follows a link nor waits for a pipe, in case that the file has
    /// become one since it was listed.
    fn open_file(&self, folder: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<(File, Stat)> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        // Noting when it was read costs a tenth of reading it. Only its owner may leave that out.
        let file = match openat(folder, name, flags | OFlags::NOATIME, Mode::empty()) {
            Err(Errno::PERM) => openat(folder, name, flags, Mode::empty())?,
            opened => opened?,
        };
        let stat = fstat(&file)?;
        if stat.st_ctime < self.in_memory_since {
            // Advice that is not taken does no harm.
            let _ = fadvise(&file, 0, None, Advice::WillNeed);
        }
        Ok((file.into(), stat))
    }

    fn sorted(&self, folder: &mut Dir) -> io::Result<Vec<(CString, FileType)>> {
        let mut entries = Vec::new();
        while let Some(entry) = folder.read() {
            let entry = entry.map_err(|error| self.about(error))?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            if entries.len() == MAX_FOLDER_ENTRIES {
                return Err(unfit(format!("{} has more than {MAX_FOLDER_ENTRIES} entries", self.path().display())));
            }
            let kind = match entry.file_type() {
                // Not every file system says it here.
                FileType::Unknown => {
                    let at = folder.fd().map_err(|error| self.about(error))?;
                    let stat = statat(at, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| self.about(error))?;
                    FileType::from_raw_mode(stat.st_mode)
                }
                kind => kind,
            };
            entries.push((name.to_owned(), kind));
        }
        entries.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        Ok(entries)
    }

    fn found(&mut self, stat: Stat, kind: Kind) -> io::Result<()> {
        self.found.push(Entry { name: self.name.clone(), stat, kind });
        if self.found.len() == TOGETHER { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let found = std::mem::replace(&mut self.found, Vec::with_capacity(TOGETHER));
        self.ahead.send(found).map_err(|_| io::Error::other("nobody takes what was found"))
    }

    fn about(&self, error: Errno) -> io::Error {
        about(&self.path(), error)
    }

    fn path(&self) -> PathBuf {
        let name = self.name.strip_prefix(b"./").unwrap_or(&self.name);
        match name.strip_suffix(b"/").unwrap_or(name) {
            b"" => self.dir.to_owned(),
            name => self.dir.join(OsStr::from_bytes(name)),
        }
    }
}

fn now_secs() -> i64 {
    let since_epoch = UNIX_EPOCH.elapsed().unwrap_or_default();
    since_epoch.as_secs().cast_signed()
}

fn open_folder(at: impl AsFd, name: impl Arg) -> rustix::io::Result<OwnedFd> {
    openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Whoever has made the tree has also set its modes, and nested it deeper than a path is long.
fn about(path: &Path, error: Errno) -> io::Error {
    let kind = match error {
        Errno::ACCESS | Errno::PERM | Errno::NAMETOOLONG => UNFIT,
        error => error.kind(),
    };
    io::Error::new(kind, format!("{}: {error}", path.display()))
}

fn unfit(why: String) -> io::Error {
    io::Error::new(UNFIT, why)
}
