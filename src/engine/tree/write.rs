//! Writes a tree as a tar: sorted, names relative (`./a/b`), straight from the files into the output's buffer.
//!
//! The `tar` crate gives the header; its builder is not used because it strips the leading `./` and copies file
//! contents in 8 KiB pieces.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::Stat;
use tar::{EntryType, Header};

use super::walk::{Entry, Kind, walk_ahead};

const BLOCK_BYTES: usize = 512;

/// Bytes gathered before the output is written to: a multiple of the block, and a quarter of the largest pipe.
const BUFFER_BYTES: usize = 256 * 1024;

/// Longest name that a header's own field holds; longer ones get an entry of their own before, as GNU tar does.
const NAME_FIELD_BYTES: usize = 100;

/// Writes everything in a tree, which messages call `dir`, to `out`: files, folders and symbolic links. Hard links become files of
/// their own; sockets, pipes and devices are left out. Fails when a file changes its size while it is read.
pub(in crate::engine) fn write(root: &OwnedFd, dir: &Path, out: impl Write) -> io::Result<()> {
    write_until(root, dir, u64::MAX, out)
}

/// As [`write()`], with later times than `latest_secs` set back to it: unpacking leaves folders and links with times of
/// its own.
pub(in crate::engine) fn write_until(root: &OwnedFd, dir: &Path, latest_secs: u64, out: impl Write) -> io::Result<()> {
    let mut tar = TarWriter { out, buffer: vec![0; BUFFER_BYTES], used: 0, latest_secs, last: None };
    walk_ahead(root, dir, |entry| write_entry(&mut tar, entry))?;
    tar.finish()
}

fn write_entry<W: Write>(tar: &mut TarWriter<W>, Entry { name, stat, kind }: Entry) -> io::Result<()> {
    match kind {
        Kind::Folder => tar.entry(&stat, (EntryType::Directory, 0), &name, c""),
        Kind::Link(target) => tar.entry(&stat, (EntryType::Symlink, 0), &name, &target),
        Kind::File(mut file) => {
            let size = u64::try_from(stat.st_size).unwrap_or(0);
            tar.entry(&stat, (EntryType::Regular, size), &name, c"")?;
            let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", String::from_utf8_lossy(&name)));
            tar.contents(&mut file, size).map_err(named)
        }
    }
}

/// A tar on its way to `out`, through one buffer.
struct TarWriter<W> {
    out: W,
    buffer: Vec<u8>,
    used: usize,
    /// No entry's time is later than this.
    latest_secs: u64,
    last: Option<(Common, Header)>,
}

/// Mode, owner, group and time: most entries have those of the one before, and writing them is most of the work of a header.
type Common = (u32, u32, u32, u64);

impl<W: Write> TarWriter<W> {
    fn header(&mut self, stat: &Stat, kind: EntryType, size: u64) -> Header {
        let time = stat.st_mtime.try_into().unwrap_or(0).min(self.latest_secs);
        let common = (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid, time);
        let mut header = match &self.last {
            Some((last, header)) if *last == common => header.clone(),
            _ => self.last.insert((common, common_header(common))).1.clone(),
        };
        header.set_entry_type(kind);
        header.set_size(size);
        header
    }

    /// Appends an entry, and where it leads if it is a link.
    fn entry(&mut self, stat: &Stat, (kind, size): (EntryType, u64), name: &[u8], target: &CStr) -> io::Result<()> {
        let mut header = self.header(stat, kind, size);
        let target = target.to_bytes();
        if name.len() > NAME_FIELD_BYTES {
            self.long_name(EntryType::GNULongName, name)?;
        }
        if target.len() > NAME_FIELD_BYTES {
            self.long_name(EntryType::GNULongLink, target)?;
        }
        let fields = header.as_gnu_mut().expect("made as a GNU header");
        fill(&mut fields.name, name);
        fill(&mut fields.linkname, target);
        header.set_cksum();
        self.bytes(header.as_bytes())
    }

    fn long_name(&mut self, kind: EntryType, name: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(name.len() as u64 + 1);
        fill(&mut header.as_gnu_mut().expect("made as a GNU header").name, b"././@LongLink");
        header.set_cksum();
        self.bytes(header.as_bytes())?;
        self.bytes(name)?;
        self.zeros(1 + padding(name.len() as u64 + 1))
    }

    /// Appends exactly `size` bytes of `file`, and the padding to a whole block.
    fn contents(&mut self, file: &mut File, size: u64) -> io::Result<()> {
        let mut left = size;
        while left > 0 {
            let room = self.room()?;
            let length = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match file.read(&mut room[..length])? {
                0 => return Err(io::Error::other("changed while it was read")),
                read => {
                    self.used += read;
                    left -= read as u64;
                }
            }
        }
        self.zeros(padding(size))
    }

    fn bytes(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = self.room()?;
            let length = room.len().min(bytes.len());
            room[..length].copy_from_slice(&bytes[..length]);
            self.used += length;
            bytes = &bytes[length..];
        }
        Ok(())
    }

    fn zeros(&mut self, count: usize) -> io::Result<()> {
        self.bytes(&[0; 2 * BLOCK_BYTES][..count])
    }

    /// The free part of the buffer, never empty.
    fn room(&mut self) -> io::Result<&mut [u8]> {
        if self.used == self.buffer.len() {
            self.flush()?;
        }
        Ok(&mut self.buffer[self.used..])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer[..self.used])?;
        self.used = 0;
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.zeros(2 * BLOCK_BYTES)?;
        self.flush()?;
        self.out.flush()
    }
}

fn common_header((mode, owner, group, time): Common) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(mode);
    header.set_uid(owner.into());
    header.set_gid(group.into());
    header.set_mtime(time);
    header
}

/// Copies as much of `value` as the field holds.
fn fill(field: &mut [u8], value: &[u8]) {
    let length = value.len().min(field.len());
    field[..length].copy_from_slice(&value[..length]);
}

/// Zero bytes that follow `size` bytes up to the next block.
fn padding(size: u64) -> usize {
    let last = usize::try_from(size % BLOCK_BYTES as u64).expect("less than a block");
    (BLOCK_BYTES - last) % BLOCK_BYTES
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::engine::tree::open_tree;

    #[test]
    fn entries_are_sorted_relative_and_complete() {
        let dir = tempfile::tempdir().unwrap();
        let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
        fs::create_dir_all(dir.path().join("b").join("d".repeat(90))).unwrap();
        fs::write(dir.path().join("b").join(&long), [7; 700]).unwrap();
        fs::write(dir.path().join("a"), "").unwrap();
        symlink("x".repeat(200), dir.path().join("c")).unwrap();
        let mut bytes = Vec::new();
        write(&open_tree(dir.path()).unwrap(), dir.path(), &mut bytes).unwrap();

        let mut entries = Vec::new();
        for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut contents = Vec::new();
            entry.read_to_end(&mut contents).unwrap();
            let link = entry.link_name_bytes().map_or(0, |link| link.len());
            entries.push((String::from_utf8(entry.path_bytes().into_owned()).unwrap(), contents.len(), link));
        }
        let expected = [
            ("./".to_owned(), 0, 0),
            ("./a".to_owned(), 0, 0),
            ("./b/".to_owned(), 0, 0),
            (format!("./b/{}/", "d".repeat(90)), 0, 0),
            (format!("./b/{long}"), 700, 0),
            ("./c".to_owned(), 0, 200),
        ];
        assert_eq!(entries, expected);
    }

    #[test]
    fn later_times_are_set_back() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("old"), "").unwrap();
        File::open(dir.path().join("old")).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(5)).unwrap();
        fs::write(dir.path().join("new"), "").unwrap();
        symlink("old", dir.path().join("link")).unwrap();
        let mut bytes = Vec::new();
        write_until(&open_tree(dir.path()).unwrap(), dir.path(), 1000, &mut bytes).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let times: Vec<_> = archive.entries().unwrap().map(|entry| entry.unwrap().header().mtime().unwrap()).collect();
        assert_eq!(times, [1000, 1000, 1000, 5], "the folder, link, new, old");
    }
}
