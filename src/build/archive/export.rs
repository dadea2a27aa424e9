//! The second reading of an archive, which has been surveyed: what it holds of the app becomes a plain tar.

use std::ffi::OsStr;
use std::io::{self, BufRead, Read as _, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use tar::EntryType;

use super::super::tar_header::{file_mode, header};
use super::entry_path::parse;
use super::survey::{Survey, padded, skip};
use super::{ArchiveError, BuildError, read_error, unreadable};
use crate::tarball::{Kind, RawEntry, read_entry};

/// Writes the app's files; returns how many were ignored.
pub(super) fn export(mut tar: impl BufRead, survey: &Survey, out: impl Write) -> Result<u64, BuildError> {
    let mut export = Export { survey, out: tar::Builder::new(out), ignored_files: 0 };
    while let Some(entry) = read_entry(&mut tar).map_err(read_error)? {
        export.add(&entry, &mut tar)?;
    }
    let mut out = export.out.into_inner().map_err(broken_pipe)?;
    out.flush().map_err(broken_pipe)?;
    Ok(export.ignored_files)
}

struct Export<'a, W: Write> {
    survey: &'a Survey,
    out: tar::Builder<W>,
    ignored_files: u64,
}

impl<W: Write> Export<'_, W> {
    fn add(&mut self, entry: &RawEntry, tar: &mut impl BufRead) -> Result<(), BuildError> {
        let path = self.path(&entry.path)?;
        let size_bytes = if let Kind::File { size_bytes, .. } = entry.kind { size_bytes } else { 0 };
        let Some(path) = path.filter(|path| !self.is_left_out(path, &entry.kind)) else {
            return skip(tar, padded(size_bytes));
        };
        let path = Path::new(OsStr::from_bytes(&path));
        match &entry.kind {
            Kind::Folder => {
                let mut header = header(EntryType::Directory, 0o755, 0);
                self.out.append_data(&mut header, path.join(""), io::empty()).map_err(broken_pipe)
            }
            Kind::File { executable, .. } => {
                let mut header = header(EntryType::Regular, file_mode(*executable), size_bytes);
                // A content that ends early is noticed by the next reading.
                let mut content = tar.by_ref().take(size_bytes);
                self.out.append_data(&mut header, path, &mut content).map_err(broken_pipe)?;
                skip(tar, padded(size_bytes) - size_bytes)
            }
            Kind::Symlink { target } => {
                let mut header = header(EntryType::Symlink, 0o777, 0);
                self.out.append_link(&mut header, path, OsStr::from_bytes(target)).map_err(broken_pipe)
            }
            Kind::HardLink { target, executable } => {
                let Some(target) = self.path(target)?.filter(|target| !self.is_left_out(target, &entry.kind)) else {
                    let why = "a hard link to a file that is ignored, or not in the app's folder";
                    return Err(ArchiveError::BadEntry { path: entry.path.clone(), why }.into());
                };
                let mut header = header(EntryType::Link, file_mode(*executable), 0);
                self.out.append_link(&mut header, path, OsStr::from_bytes(&target)).map_err(broken_pipe)
            }
            // Refused by the survey.
            Kind::Special => Ok(()),
        }
    }

    /// The path inside the app; `None` for its own folder.
    fn path(&self, path: &[u8]) -> Result<Option<Vec<u8>>, BuildError> {
        let names = parse(path).map_err(|why| ArchiveError::BadEntry { path: path.to_vec(), why })?;
        let names = names.get(self.survey.skipped_names..).unwrap_or_default();
        let names = names.strip_prefix(self.survey.root_names().as_slice()).unwrap_or_default();
        Ok((!names.is_empty()).then(|| names.join(&b'/')))
    }

    /// Whether a path is ignored, which is counted, or git's own, which is no part of any source.
    fn is_left_out(&mut self, path: &[u8], kind: &Kind) -> bool {
        if path == b".git" || path.starts_with(b".git/") {
            return true;
        }
        let is_folder = *kind == Kind::Folder;
        let ignored = self.survey.ignore.matched_path_or_any_parents(OsStr::from_bytes(path), is_folder).is_ignore();
        self.ignored_files += u64::from(ignored && !is_folder);
        ignored
    }
}

/// Whoever should read it has gone, or the archive's file can't be read any more.
fn broken_pipe(error: io::Error) -> BuildError {
    unreadable(error)
}
