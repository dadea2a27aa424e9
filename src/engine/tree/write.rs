//! Writes a tree as a tar: sorted, names relative (`./a/b`), straight from the files into the output's buffer.
//!
//! The `tar` crate gives the header; its builder is not used because it strips the leading `./` and copies file
//! contents in 8 KiB pieces.

use std::ffi::OsString;
use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, Read as _, Write};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};

use super::MAX_DEPTH;

const BLOCK_BYTES: usize = 512;

/// Bytes gathered before the output is written to: a multiple of the block, and a quarter of the largest pipe.
const BUFFER_BYTES: usize = 256 * 1024;

/// Longest name that a header's own field holds; longer ones get an entry of their own before, as GNU tar does.
const NAME_FIELD_BYTES: usize = 100;

/// Most entries of one folder: their names are held in memory to be sorted, up to about 100 MiB.
const MAX_FOLDER_ENTRIES: usize = 1_000_000;

/// Writes everything below `dir` to `out`: files, folders and symbolic links. Hard links become files of their own;
/// sockets, pipes and devices are left out. Fails when a file changes its size while it is read.
pub(in crate::engine) fn write(dir: &Path, out: impl Write) -> io::Result<()> {
    let mut tar = TarWriter { out, buffer: vec![0; BUFFER_BYTES], used: 0 };
    tar.entry(&header(&fs::metadata(dir)?, EntryType::Directory, 0), b"./")?;
    write_folder(&mut tar, dir, &mut b"./".to_vec(), 0)?;
    tar.finish()
}

/// Writes the entries of `dir`, whose name in the tar is `name` (ending in `/`).
fn write_folder<W: Write>(tar: &mut TarWriter<W>, dir: &Path, name: &mut Vec<u8>, depth: usize) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(io::Error::other(format!("{} is nested too deep", dir.display())));
    }
    for (file_name, kind) in sorted_entries(dir)? {
        let path = dir.join(&file_name);
        let name_length = name.len();
        name.extend_from_slice(file_name.as_bytes());
        if kind.is_dir() {
            name.push(b'/');
            tar.entry(&header(&fs::symlink_metadata(&path)?, EntryType::Directory, 0), name)?;
            write_folder(tar, &path, name, depth + 1)?;
        } else if kind.is_symlink() {
            tar.link(&header(&fs::symlink_metadata(&path)?, EntryType::Symlink, 0), name, fs::read_link(&path)?)?;
        } else if kind.is_file() {
            write_file(tar, &path, name).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        }
        name.truncate(name_length);
    }
    Ok(())
}

fn sorted_entries(dir: &Path) -> io::Result<Vec<(OsString, FileType)>> {
    let mut entries = fs::read_dir(dir)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", dir.display())))?
        .take(MAX_FOLDER_ENTRIES + 1)
        .map(|entry| entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?))))
        .collect::<io::Result<Vec<_>>>()?;
    if entries.len() > MAX_FOLDER_ENTRIES {
        return Err(io::Error::other(format!("{} has more than {MAX_FOLDER_ENTRIES} entries", dir.display())));
    }
    entries.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    Ok(entries)
}

fn write_file<W: Write>(tar: &mut TarWriter<W>, path: &Path, name: &[u8]) -> io::Result<()> {
    // Not following and not blocking, in case that the file has become a link or a pipe since it was listed.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("changed while it was read"));
    }
    tar.entry(&header(&metadata, EntryType::Regular, metadata.size()), name)?;
    tar.contents(&mut file, metadata.size())
}

fn header(metadata: &Metadata, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(metadata.mode() & 0o7777);
    header.set_uid(metadata.uid().into());
    header.set_gid(metadata.gid().into());
    header.set_mtime(metadata.mtime().try_into().unwrap_or(0));
    header.set_size(size);
    header
}

/// A tar on its way to `out`, through one buffer.
struct TarWriter<W> {
    out: W,
    buffer: Vec<u8>,
    used: usize,
}

impl<W: Write> TarWriter<W> {
    fn entry(&mut self, header: &Header, name: &[u8]) -> io::Result<()> {
        self.link(header, name, PathBuf::new())
    }

    fn link(&mut self, header: &Header, name: &[u8], target: PathBuf) -> io::Result<()> {
        let target = target.into_os_string().into_vec();
        let mut header = header.clone();
        if name.len() > NAME_FIELD_BYTES {
            self.long_name(EntryType::GNULongName, name)?;
        }
        if target.len() > NAME_FIELD_BYTES {
            self.long_name(EntryType::GNULongLink, &target)?;
        }
        let fields = header.as_gnu_mut().expect("made as a GNU header");
        fill(&mut fields.name, name);
        fill(&mut fields.linkname, &target);
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
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn entries_are_sorted_relative_and_complete() {
        let dir = tempfile::tempdir().unwrap();
        let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
        fs::create_dir_all(dir.path().join("b").join("d".repeat(90))).unwrap();
        fs::write(dir.path().join("b").join(&long), [7; 700]).unwrap();
        fs::write(dir.path().join("a"), "").unwrap();
        symlink("x".repeat(200), dir.path().join("c")).unwrap();
        let mut bytes = Vec::new();
        write(dir.path(), &mut bytes).unwrap();

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
}
