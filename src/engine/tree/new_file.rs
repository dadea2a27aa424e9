//! The short way for most of a stranger's tar: new files in folders to which no symbolic link leads.
//!
//! A folder is opened once for all files that stand in it one after another, beneath the destination and through no link.
//! What is not that simple is left to whoever asks.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT, fchmod, fstat, futimens, openat, openat2};
use rustix::io::Errno;
use tar::Entry;

/// Bytes copied at a time: most files are smaller.
const COPY_BYTES: usize = 64 * 1024;

/// Makes files below a folder.
pub(super) struct NewFiles {
    dest: OwnedFd,
    /// The folder of the last file, by its path in the archive.
    folder: Option<(Vec<u8>, OwnedFd)>,
    buffer: Vec<u8>,
}

impl NewFiles {
    pub(super) fn below(dest: &Path) -> io::Result<Self> {
        let dest = openat(rustix::fs::CWD, dest, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { dest, folder: None, buffer: vec![0; COPY_BYTES] })
    }

    /// Makes the file that an entry is; tells whether it could. If not, nothing has been read or written.
    pub(super) fn make<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<bool> {
        // As the long way: without set-uid and its like.
        let mode = Mode::from_raw_mode(entry.header().mode()? & 0o777);
        let Some(file) = self.create(&entry.path_bytes(), mode)? else { return Ok(false) };
        self.fill(entry, file, mode).map(|()| true)
    }

    fn create(&mut self, path: &[u8], mode: Mode) -> io::Result<Option<File>> {
        let path = path.strip_prefix(b"./").unwrap_or(path);
        let (folder, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&b"."[..], path),
        };
        if matches!(name, b"" | b"." | b"..") {
            return Ok(None);
        }
        let Some(folder) = self.open_folder(folder)? else { return Ok(None) };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(folder, OsStr::from_bytes(name), flags, mode) {
            Ok(file) => Ok(Some(file.into())),
            // There already; or a name that the file system refuses, and the long way says why.
            Err(Errno::EXIST | Errno::NAMETOOLONG | Errno::INVAL) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a folder of the archive; `None` if it is not there, or not without following a link.
    fn open_folder(&mut self, path: &[u8]) -> io::Result<Option<&OwnedFd>> {
        if self.folder.as_ref().is_none_or(|(last, _)| last != path) {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            match openat2(&self.dest, OsStr::from_bytes(path), flags, Mode::empty(), beneath) {
                Ok(folder) => self.folder = Some((path.to_vec(), folder)),
                // Too many open files, or no memory.
                Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => return Err(error.into()),
                // A kernel without this call, too.
                Err(_) => return Ok(None),
            }
        }
        Ok(self.folder.as_ref().map(|(_, folder)| folder))
    }

    fn fill<R: Read>(&mut self, entry: &mut Entry<'_, R>, mut file: File, mode: Mode) -> io::Result<()> {
        let mut left = entry.size();
        while left > 0 {
            let length = usize::try_from(left).map_or(COPY_BYTES, |left| left.min(COPY_BYTES));
            entry.read_exact(&mut self.buffer[..length])?;
            file.write_all(&self.buffer[..length])?;
            left -= length as u64;
        }
        // The umask, or the folder, may have had a say. Looking costs less than setting what is set.
        if Mode::from_raw_mode(fstat(&file)?.st_mode) != mode {
            fchmod(&file, mode)?;
        }
        // No time that tools take for none.
        let seconds = entry.header().mtime()?.clamp(1, i64::MAX.cast_unsigned()).cast_signed();
        let modified = Timespec { tv_sec: seconds, tv_nsec: 0 };
        let accessed = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        Ok(futimens(&file, &Timestamps { last_access: accessed, last_modification: modified })?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use tar::{Archive, Builder, EntryType, Header};

    use super::*;

    /// Makes what it can of a tar of files; returns the names that are left.
    fn make(dest: &Path, names: &[&str]) -> Vec<String> {
        let mut tar = Builder::new(Vec::new());
        for name in names {
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Regular);
            header.set_mode(0o4775);
            header.set_mtime(77);
            header.set_size(name.len() as u64);
            // Straight into the field: the builder would refuse the names that matter here.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            tar.append(&header, name.as_bytes()).unwrap();
        }
        let tar = tar.into_inner().unwrap();
        let (mut archive, mut new_files, mut left) = (Archive::new(&tar[..]), NewFiles::below(dest).unwrap(), Vec::new());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            if !new_files.make(&mut entry).unwrap() {
                left.push(String::from_utf8(entry.path_bytes().into_owned()).unwrap());
            }
        }
        left
    }

    #[test]
    fn new_files_have_their_content_mode_and_time() {
        let dest = tempfile::tempdir().unwrap();
        fs::create_dir_all(dest.path().join("a/b")).unwrap();
        assert!(make(dest.path(), &["./one", "two", "a/three", "./a/b/four", "five"]).is_empty());
        for name in ["one", "two", "a/three", "a/b/four", "five"] {
            let metadata = fs::metadata(dest.path().join(name)).unwrap();
            assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (0o775, 77), "{name}");
            assert!(fs::read_to_string(dest.path().join(name)).unwrap().ends_with(name), "{name}");
        }
    }

    #[test]
    fn what_is_not_simple_is_left() {
        let (dest, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(dest.path().join("folder")).unwrap();
        fs::write(dest.path().join("there"), "").unwrap();
        symlink("folder", dest.path().join("link")).unwrap();
        symlink(outside.path(), dest.path().join("out")).unwrap();
        symlink(outside.path().join("x"), dest.path().join("dangling")).unwrap();
        let names = ["../x", "folder/../../x", "/x", "missing/x", "link/x", "out/x", "there", "dangling", "folder/", "folder/.."];
        assert_eq!(make(dest.path(), &names), names);
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        assert_eq!(fs::read_dir(dest.path().join("folder")).unwrap().count(), 0);
    }
}
