//! The headers of the tars that hoist makes of a source: the same content gives the same bytes.

use tar::{EntryType, Header};

/// The time of all files, as of those exported from git: 1980-01-01T12:00Z, which a zip archive can tell.
const MTIME: u64 = 315_576_000;

/// Mode of a file, of which only this is kept.
pub(super) fn file_mode(executable: bool) -> u32 {
    if executable { 0o755 } else { 0o644 }
}

/// A header without a name.
pub(super) fn header(kind: EntryType, mode: u32, size_bytes: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size_bytes);
    header.set_mtime(MTIME);
    header.set_uid(0);
    header.set_gid(0);
    header
}
