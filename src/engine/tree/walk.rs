//! Reads a tree in order on a thread of its own, ahead of whoever takes its entries: finding and opening the next files
//! costs as much as reading them, and more when they are not in memory.

use std::ffi::OsString;
use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};

use rustix::fs::{Advice, fadvise};

use super::{MAX_DEPTH, UNFIT};

/// How many entries the walk may be ahead; each may be an open file.
const AHEAD: usize = 64;

/// Most entries of one folder: their names are held in memory to be sorted, up to about 100 MiB.
const MAX_FOLDER_ENTRIES: usize = 1_000_000;

/// One entry of a tree.
pub(super) struct Entry {
    /// Relative to the tree (`./a/b`), a folder's with a slash at its end.
    pub(super) name: Vec<u8>,
    pub(super) metadata: Metadata,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Folder,
    Link(PathBuf),
    File(File),
}

/// Hands every folder, link and file below `dir` to `take`: folders before what is in them, which is sorted by name. All
/// else is passed over. Ends with the first failure of either side; one of the tree's own is [`UNFIT`].
pub(super) fn walk_ahead(dir: &Path, mut take: impl FnMut(Entry) -> io::Result<()>) -> io::Result<()> {
    let (ahead, entries) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        let walker = std::thread::Builder::new().name("walk".into()).spawn_scoped(scope, move || {
            let mut walk = Walk { ahead };
            walk.entry(metadata_of_root(dir)?, Kind::Folder, b"./")?;
            walk.folder(dir, &mut b"./".to_vec(), 0)
        })?;
        // Dropping the receiver, also for a failure, lets the walk end.
        let taken = entries.into_iter().try_for_each(&mut take);
        let walked = walker.join().map_err(|_| io::Error::other("the walk through the files panicked"))?;
        // What the taker failed for comes first: the walk then only failed to hand over the next.
        taken.and(walked)
    })
}

/// What has taken the folder's place is not followed: a link leads to what is nobody's tree.
fn metadata_of_root(dir: &Path) -> io::Result<Metadata> {
    match fs::symlink_metadata(dir) {
        Ok(metadata) if metadata.is_dir() => Ok(metadata),
        Ok(metadata) if metadata.is_symlink() => {
            Err(unfit(format!("{} has become a symbolic link to {}", dir.display(), fs::read_link(dir)?.display())))
        }
        Ok(_) => Err(unfit(format!("{} is no folder any more", dir.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(unfit(format!("{} has been removed", dir.display()))),
        Err(error) => Err(about(dir, &error)),
    }
}

struct Walk {
    ahead: SyncSender<Entry>,
}

impl Walk {
    /// Hands over what is in `dir`, whose name in the tree is `name` (ending in `/`).
    fn folder(&mut self, dir: &Path, name: &mut Vec<u8>, depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(unfit(format!("{} is nested too deep", dir.display())));
        }
        for (file_name, kind) in sorted_entries(dir)? {
            let path = dir.join(&file_name);
            let failed = |error| about(&path, &error);
            let name_length = name.len();
            name.extend_from_slice(file_name.as_bytes());
            if kind.is_dir() {
                name.push(b'/');
                self.entry(fs::symlink_metadata(&path).map_err(failed)?, Kind::Folder, name)?;
                self.folder(&path, name, depth + 1)?;
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).map_err(failed)?;
                self.entry(fs::symlink_metadata(&path).map_err(failed)?, Kind::Link(target), name)?;
            } else if kind.is_file() {
                let (file, metadata) = open(&path).map_err(failed)?;
                self.entry(metadata, Kind::File(file), name)?;
            }
            name.truncate(name_length);
        }
        Ok(())
    }

    fn entry(&mut self, metadata: Metadata, kind: Kind, name: &[u8]) -> io::Result<()> {
        let entry = Entry { name: name.to_vec(), metadata, kind };
        self.ahead.send(entry).map_err(|_| io::Error::other("nobody takes what was found"))
    }
}

/// Opens a file and has the kernel fetch it meanwhile.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // Not following and not blocking, in case that the file has become a link or a pipe since it was listed.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("changed while it was read"));
    }
    // Advice that is not taken does no harm.
    let _ = fadvise(&file, 0, None, Advice::WillNeed);
    Ok((file, metadata))
}

fn sorted_entries(dir: &Path) -> io::Result<Vec<(OsString, FileType)>> {
    let failed = |error| about(dir, &error);
    let mut entries = fs::read_dir(dir)
        .map_err(failed)?
        .take(MAX_FOLDER_ENTRIES + 1)
        .map(|entry| entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?))))
        .collect::<io::Result<Vec<_>>>()
        .map_err(failed)?;
    if entries.len() > MAX_FOLDER_ENTRIES {
        return Err(unfit(format!("{} has more than {MAX_FOLDER_ENTRIES} entries", dir.display())));
    }
    entries.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    Ok(entries)
}

/// Whoever has made the tree has also set its modes, and nested it deeper than a path is long.
fn about(path: &Path, error: &io::Error) -> io::Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidFilename => UNFIT,
        kind => kind,
    };
    io::Error::new(kind, format!("{}: {error}", path.display()))
}

fn unfit(why: String) -> io::Error {
    io::Error::new(UNFIT, why)
}
