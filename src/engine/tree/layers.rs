//! Makes a root file system of an image's layers (OCI image-spec, layer.md).
//!
//! A layer is a tar of what it changes. What it takes away of the layers below, it names in files of no content: `.wh.NAME`
//! hides `NAME`, and `.wh..wh..opq` hides all there is in its folder. Neither touches what the layer itself brings.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read};
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Entry, EntryType};

use super::remove_contents;

#[cfg(test)]
mod tests;

/// Bytes read from the layers at a time.
const BUFFER_BYTES: usize = 256 * 1024;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What aufs kept for itself, and some layers still have.
const OF_AUFS: &[u8] = b".wh..wh.";

/// Folders that an environment mounts something on. What an image has in such a place and is no folder is of no use.
const MOUNT_POINTS: [&str; 5] = ["dev", "proc", "sys", "etc", "tmp"];

/// Unpacks layers, plain tars one behind the other and the lowest first, into `dest`, owners and modes kept. Devices are
/// left out. Fails with `InvalidData` for what is wrong with a layer.
pub(in crate::engine) fn unpack_layers(tars: impl Read, dest: &Path, max_entries: u64) -> io::Result<()> {
    let mut tars = BufReader::with_capacity(BUFFER_BYTES, tars);
    let mut left = max_entries;
    while !tars.fill_buf()?.is_empty() {
        let mut archive = Archive::new(&mut tars);
        archive.set_preserve_permissions(true);
        archive.set_preserve_ownerships(true);
        let mut layer = Layer { dest, fresh: BTreeSet::new() };
        // Ends at the first block of zeros. What follows of them is an empty archive each.
        for entry in archive.entries()? {
            let too_many = || wrong(format!("the image has more than {max_entries} files"));
            left = left.checked_sub(1).ok_or_else(too_many)?;
            layer.apply(&mut entry.map_err(of_layer)?)?;
        }
    }
    MOUNT_POINTS.iter().try_for_each(|name| make_folder(&dest.join(name)))
}

/// One layer being laid over what is there.
struct Layer<'a> {
    dest: &'a Path,
    /// What it has brought so far.
    fresh: BTreeSet<PathBuf>,
}

impl Layer<'_> {
    fn apply<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<()> {
        let kind = entry.header().entry_type();
        let path = relative(&entry.path().map_err(of_layer)?)?;
        let Some(name) = path.file_name() else { return Ok(()) };
        let parent = path.parent().unwrap_or(Path::new(""));
        match name.as_bytes() {
            OPAQUE => self.hide_contents(parent),
            name if name.starts_with(OF_AUFS) => Ok(()),
            name if name.starts_with(WHITEOUT) => match &name[WHITEOUT.len()..] {
                b"" | b"." | b".." => Err(wrong(format!("{} hides nothing that there could be", path.display()))),
                hidden => self.hide(&parent.join(OsStr::from_bytes(hidden))),
            },
            _ if matches!(kind, EntryType::Char | EntryType::Block | EntryType::Fifo) => Ok(()),
            _ => self.put(entry, path),
        }
    }

    /// Puts an entry in the place of what is there, unless both are folders.
    fn put<R: Read>(&mut self, entry: &mut Entry<'_, R>, path: PathBuf) -> io::Result<()> {
        if let Some(there) = self.inside(&path)? {
            let is_folder = fs::symlink_metadata(&there).map(|metadata| metadata.is_dir());
            match is_folder {
                Ok(true) if entry.header().entry_type() == EntryType::Directory => {}
                Ok(_) => remove(&there)?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if !entry.unpack_in(self.dest).map_err(of_layer)? {
            return Err(wrong(format!("{} leads out of the image", path.display())));
        }
        self.fresh.insert(path);
        Ok(())
    }

    /// Removes what the layers below have at a path.
    fn hide(&self, path: &Path) -> io::Result<()> {
        match self.inside(path)? {
            Some(_) if self.has_below(path) => self.hide_contents(path),
            Some(there) if !self.fresh.contains(path) => remove(&there),
            _ => Ok(()),
        }
    }

    /// Removes what the layers below have in a folder.
    fn hide_contents(&self, folder: &Path) -> io::Result<()> {
        let Some(there) = self.inside(folder)?.filter(|there| is_real_folder(there)) else { return Ok(()) };
        for entry in fs::read_dir(there)? {
            let path = folder.join(entry?.file_name());
            if self.fresh.contains(&path) && !self.has_below(&path) {
                // If it is a folder, all there is in it is from below.
                self.hide_contents(&path)?;
            } else {
                self.hide(&path)?;
            }
        }
        Ok(())
    }

    /// Whether this layer has brought something into a folder.
    fn has_below(&self, folder: &Path) -> bool {
        let mut behind = self.fresh.range::<Path, _>((Bound::Excluded(folder), Bound::Unbounded));
        behind.next().is_some_and(|path| path.starts_with(folder))
    }

    /// Where a path is in the tree; `None` when its folder is not there. Links on the way lead nowhere outside, or this
    /// fails.
    fn inside(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let root = self.dest.canonicalize()?;
        let name = path.file_name();
        let parent = if name.is_some() { path.parent().unwrap_or(Path::new("")) } else { path };
        let folder = match root.join(parent).canonicalize() {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            folder => folder?,
        };
        if !folder.starts_with(&root) {
            return Err(wrong(format!("{} leads out of the image", path.display())));
        }
        Ok(Some(name.map_or_else(|| folder.clone(), |name| folder.join(name))))
    }
}

/// A path of a layer, without what says that it begins at the root. No `..` is followed.
fn relative(path: &Path) -> io::Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            Component::ParentDir => return Err(wrong(format!("{} leads out of the image", path.display()))),
        }
    }
    Ok(clean)
}

fn remove(path: &Path) -> io::Result<()> {
    if is_real_folder(path) {
        remove_contents(File::open(path)?)?;
        return fs::remove_dir(path);
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn is_real_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

fn make_folder(path: &Path) -> io::Result<()> {
    if is_real_folder(path) {
        return Ok(());
    }
    remove(path)?;
    fs::create_dir(path)
}

fn wrong(why: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

/// Tells what is wrong with a layer from what is wrong with the disk. The `tar` crate has no kind for the first.
fn of_layer(error: io::Error) -> io::Error {
    match error.kind() {
        // Not found is what a link on the way leads to, or a hard link: the folder itself is made if missing.
        ErrorKind::Other
        | ErrorKind::InvalidInput
        | ErrorKind::UnexpectedEof
        | ErrorKind::AlreadyExists
        | ErrorKind::NotFound => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            wrong(format!("a layer can't be unpacked: {error}{cause}"))
        }
        _ => error,
    }
}
