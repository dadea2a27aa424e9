//! Turns the tar of a build's folder into the tar of a slug.
//!
//! Pure: bytes in, bytes out, the same for the same folder wherever and whenever it was built. Every entry stands below
//! `./app/` (conventions 3.7), in the order of a sorted walk, with the same owner and time and one of two modes. What
//! has no place in a slug is refused; devices and pipes, which a build may leave by accident, are passed over.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, Write};
use std::sync::LazyLock;

use tar::{EntryType, Header};

use super::entry_path::{EntryPath, Order};
use crate::model::APP_USER_ID;
use crate::tarball::{BLOCK_BYTES, Kind, MAX_PATH_BYTES, Observer, RawEntry, read_entry};

/// The folder that the app is unpacked to, below the root.
const APP: &[u8] = b"./app/";

/// The owner of everything. Root would be the older habit, but the slug is an image layer as it is: there its
/// owner is who owns the files at run time, and an app must be able to write below `/app`, as on Heroku.
const OWNER: u64 = APP_USER_ID as u64;

/// 1980-01-01 00:00:01 UTC, which Cloud Native Buildpacks give to their layers: zip archives, and so Python's, cannot
/// hold a time before 1980.
const MTIME_SECS: u64 = 315_532_801;

/// Most bytes of padding behind the end of a tar. GNU tar fills up to its record size, 10 KiB unless told otherwise.
const MAX_TRAILER_BYTES: u64 = 1024 * 1024;

/// What all headers say. Writing numbers is most of the work of a header.
static COMMON: LazyLock<Header> = LazyLock::new(|| {
    let mut header = Header::new_gnu();
    header.set_uid(OWNER);
    header.set_gid(OWNER);
    header.set_mtime(MTIME_SECS);
    header
});

/// What [`rewrite`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewritten {
    /// Files and links; not folders.
    pub files: u64,
}

/// An entry that may not stand in a slug.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.escape_ascii())]
pub struct BadEntry {
    /// As it stands in the tar: any bytes.
    pub path: Vec<u8>,
    pub why: &'static str,
}

/// Why a tar could not be rewritten.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    #[error(transparent)]
    BadEntry(#[from] BadEntry),
    /// Reading failed; or what was read is no tar (`InvalidData`), or not a whole one (`UnexpectedEof`).
    #[error("cannot read the build's folder")]
    Input(#[source] io::Error),
    #[error("cannot write the slug's archive")]
    Output(#[source] io::Error),
}

/// Reads the tar of a folder and writes that of a slug, whose files the observer sees.
pub fn rewrite(mut input: impl BufRead, mut output: impl Write, observer: &mut impl Observer) -> Result<Rewritten, RewriteError> {
    let mut admission = Admission::default();
    write_header(&mut output, &Member::folder(APP.to_vec())).map_err(RewriteError::Output)?;
    while let Some(entry) = read_entry(&mut input).map_err(RewriteError::Input)? {
        let member = admission.admit(&entry).map_err(|why| BadEntry { path: entry.path, why })?;
        if let Some(member) = member {
            write_header(&mut output, &member).map_err(RewriteError::Output)?;
            copy_content(&mut input, &mut output, &member, observer)?;
        }
    }
    // Read on, so that whoever writes the tar can write all of it.
    io::copy(&mut input.take(MAX_TRAILER_BYTES), &mut io::sink()).map_err(RewriteError::Input)?;
    output.write_all(&[0; 2 * BLOCK_BYTES]).map_err(RewriteError::Output)?;
    Ok(Rewritten { files: admission.files })
}

/// What a header of a slug's tar says.
struct Member {
    entry_type: EntryType,
    name: Vec<u8>,
    mode: u32,
    size_bytes: u64,
    link: Vec<u8>,
}

impl Member {
    fn folder(name: Vec<u8>) -> Self {
        Self { entry_type: EntryType::Directory, name, mode: 0o755, size_bytes: 0, link: Vec::new() }
    }
}

/// Decides what may stand in the slug, entry by entry.
#[derive(Default)]
struct Admission {
    order: Order,
    /// The files so far, for hard links to point at; hashed with a key of this process, so that nobody can choose two
    /// paths of one hash.
    seen: HashSet<u64>,
    hasher: RandomState,
    files: u64,
}

impl Admission {
    /// Takes the next entry: what it becomes, `None` when it is passed over, or why it is refused.
    fn admit(&mut self, entry: &RawEntry) -> Result<Option<Member>, &'static str> {
        let path = EntryPath::parse(&entry.path)?;
        let is_folder = entry.kind == Kind::Folder;
        if path.as_bytes().is_empty() {
            // The app's own folder, which stands first in any case.
            return if is_folder { Ok(None) } else { Err("the path names no file") };
        }
        self.order.advance(&path, is_folder)?;
        let name = [APP, path.as_bytes()].concat();
        let member = match &entry.kind {
            Kind::Special => return Ok(None),
            Kind::Folder => return Ok(Some(Member::folder([&name, &b"/"[..]].concat()))),
            Kind::File { size_bytes, executable } => {
                self.seen.insert(self.hasher.hash_one(&path));
                let (size_bytes, mode) = (*size_bytes, file_mode(*executable));
                Member { entry_type: EntryType::Regular, name, mode, size_bytes, link: Vec::new() }
            }
            Kind::Symlink { target } => {
                check_target(target)?;
                Member { entry_type: EntryType::Symlink, name, mode: 0o777, size_bytes: 0, link: target.clone() }
            }
            Kind::HardLink { target, executable } => {
                let target = EntryPath::parse(target)?;
                if !self.seen.contains(&self.hasher.hash_one(&target)) {
                    return Err("a hard link to what is no file before it");
                }
                let link = [APP, target.as_bytes()].concat();
                Member { entry_type: EntryType::Link, name, mode: file_mode(*executable), size_bytes: 0, link }
            }
        };
        self.files += 1;
        Ok(Some(member))
    }
}

/// Keeps of a file's mode whether it can be run.
fn file_mode(executable: bool) -> u32 {
    if executable { 0o755 } else { 0o644 }
}

/// Symbolic links stay as they are, wherever they point: they are followed at run time only, inside the sandbox.
pub(super) fn check_target(target: &[u8]) -> Result<(), &'static str> {
    match target {
        b"" => Err("a symbolic link to nothing"),
        _ if target.contains(&0) => Err("a symbolic link's target has a NUL byte"),
        _ if target.len() >= MAX_PATH_BYTES => Err("a symbolic link's target is longer than 4,095 bytes"),
        _ => Ok(()),
    }
}

fn write_header(output: &mut impl Write, member: &Member) -> io::Result<()> {
    let mut header = COMMON.clone();
    let name_field = &mut header.as_old_mut().name;
    if member.name.len() > name_field.len() {
        write_long_name(output, EntryType::GNULongName, &member.name)?;
    }
    fill(name_field, &member.name);
    let link_field = &mut header.as_old_mut().linkname;
    if member.link.len() > link_field.len() {
        write_long_name(output, EntryType::GNULongLink, &member.link)?;
    }
    fill(link_field, &member.link);
    header.set_entry_type(member.entry_type);
    header.set_mode(member.mode);
    header.set_size(member.size_bytes);
    header.set_cksum();
    output.write_all(header.as_bytes())
}

/// Writes GNU's form of a name that does not fit into its field: an entry of its own before, with the name as content.
fn write_long_name(output: &mut impl Write, entry_type: EntryType, name: &[u8]) -> io::Result<()> {
    let content = [name, b"\0"].concat();
    let size_bytes = content.len() as u64;
    write_header(output, &Member { entry_type, name: b"././@LongLink".to_vec(), mode: 0o644, size_bytes, link: Vec::new() })?;
    output.write_all(&content)?;
    output.write_all(padding(size_bytes))
}

/// Fills a header's field as far as the name goes in.
fn fill(field: &mut [u8], name: &[u8]) {
    let length = name.len().min(field.len());
    field[..length].copy_from_slice(&name[..length]);
}

/// Copies a file's content with the padding behind it.
fn copy_content(
    input: &mut impl BufRead,
    output: &mut impl Write,
    member: &Member,
    observer: &mut impl Observer,
) -> Result<(), RewriteError> {
    let mut seen = (member.entry_type == EntryType::Regular && observer.file(&member.name, member.size_bytes)).then(Vec::new);
    let mut left = member.size_bytes;
    while left > 0 {
        let available = input.fill_buf().map_err(RewriteError::Input)?;
        if available.is_empty() {
            return Err(RewriteError::Input(io::ErrorKind::UnexpectedEof.into()));
        }
        let length = usize::try_from(left).map_or(available.len(), |left| left.min(available.len()));
        output.write_all(&available[..length]).map_err(RewriteError::Output)?;
        if let Some(seen) = &mut seen {
            seen.extend_from_slice(&available[..length]);
        }
        input.consume(length);
        left -= length as u64;
    }
    if let Some(seen) = seen {
        observer.content(&member.name, &seen);
    }
    let padding = padding(member.size_bytes);
    let mut skipped = [0; BLOCK_BYTES];
    // What is in the input's padding is not looked at: it is no part of any file.
    input.read_exact(&mut skipped[..padding.len()]).map_err(RewriteError::Input)?;
    output.write_all(padding).map_err(RewriteError::Output)
}

/// The zeros from the end of a content of this size to the end of its last block.
fn padding(size_bytes: u64) -> &'static [u8] {
    const ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];
    let used = usize::try_from(size_bytes % BLOCK_BYTES as u64).expect("less than a block");
    &ZEROS[..(BLOCK_BYTES - used) % BLOCK_BYTES]
}

#[cfg(test)]
mod tests;
