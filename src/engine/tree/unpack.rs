//! Makes a tree of a tar. Both forms lean on `unpack_in` of the `tar` crate, which refuses to write through a
//! symbolic link that leads out of the destination. It looks at the whole path for each entry; a stranger's new files in
//! folders that are no links, which most entries are, go a shorter way (`new_file`).

use std::io::{self, BufReader, Read};
use std::path::Path;

use tar::{Archive, Entry, EntryType};

use super::new_file::NewFiles;

/// Bytes read from the archive at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// Folders whose mode has to wait until the end; each is kept in memory till then, about a KiB.
const MAX_CLOSED_FOLDERS: usize = 10_000;

/// Unpacks a stranger's tar below `dest`, owned by whoever runs this. Refuses names that climb out and anything
/// that is not a file, folder or link. Set-uid and its like are dropped.
pub(in crate::engine) fn unpack(tar: impl Read, dest: &Path) -> io::Result<()> {
    let mut new_files = NewFiles::below(dest)?;
    unpack_entries(Archive::new(BufReader::with_capacity(BUFFER_BYTES, tar)), dest, |entry| match entry.header().entry_type() {
        kind if is_special(kind) => Err(io::Error::other(format!("{} is not a file, folder or link", shown_name(entry)))),
        EntryType::Regular => Ok(!new_files.make(entry)?),
        _ => Ok(true),
    })
}

/// Unpacks a root file system, owners and modes kept. Device nodes are left out: no sandbox may use them, and
/// nobody may make them in a user namespace.
pub(in crate::engine) fn unpack_root(tar: impl Read, dest: &Path) -> io::Result<()> {
    let mut archive = Archive::new(BufReader::with_capacity(BUFFER_BYTES, tar));
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(true);
    unpack_entries(archive, dest, |entry| Ok(!is_special(entry.header().entry_type())))
}

fn unpack_entries<R: Read>(
    mut archive: Archive<R>,
    dest: &Path,
    mut wanted: impl FnMut(&mut Entry<'_, R>) -> io::Result<bool>,
) -> io::Result<()> {
    let mut closed_folders = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !wanted(&mut entry)? {
            continue;
        }
        if !is_closed_folder(&entry)? {
            unpack_entry(&mut entry, dest)?;
        } else if closed_folders.len() < MAX_CLOSED_FOLDERS {
            closed_folders.push(entry);
        } else {
            return Err(io::Error::other("too many folders that their owner may not write to"));
        }
    }
    // Last and innermost first, so that they are filled before they close.
    closed_folders.sort_by(|left, right| right.path_bytes().cmp(&left.path_bytes()));
    closed_folders.iter_mut().try_for_each(|folder| unpack_entry(folder, dest))
}

/// Whether a folder's own mode would keep its contents from being unpacked.
fn is_closed_folder<R: Read>(entry: &Entry<'_, R>) -> io::Result<bool> {
    Ok(entry.header().entry_type() == EntryType::Directory && entry.header().mode()? & 0o700 != 0o700)
}

fn unpack_entry<R: Read>(entry: &mut Entry<'_, R>, dest: &Path) -> io::Result<()> {
    if entry.unpack_in(dest)? {
        return Ok(());
    }
    Err(io::Error::other(format!("{} leads out of the archive's folder", shown_name(entry))))
}

fn is_special(kind: EntryType) -> bool {
    matches!(kind, EntryType::Char | EntryType::Block | EntryType::Fifo)
}

fn shown_name<R: Read>(entry: &Entry<'_, R>) -> String {
    String::from_utf8_lossy(&entry.path_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use tar::{Builder, Header};

    use super::*;

    fn tar_of(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (kind, name, target) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o6555);
            header.set_size(0);
            // Straight into the fields: the builder would refuse the names that matter here.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.as_gnu_mut().unwrap().linkname[..target.len()].copy_from_slice(target.as_bytes());
            header.set_cksum();
            builder.append(&header, io::empty()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn hostile_entries_are_refused() {
        let outside = tempfile::tempdir().unwrap();
        let outside = outside.path().to_str().unwrap();
        for (case, entries) in [
            ("climbs", vec![(EntryType::Regular, "../x", "")]),
            ("device", vec![(EntryType::Char, "null", "")]),
            ("pipe", vec![(EntryType::Fifo, "pipe", "")]),
            ("through a link", vec![(EntryType::Symlink, "out", outside), (EntryType::Regular, "out/x", "")]),
            ("link to a folder", vec![(EntryType::Symlink, "out", outside), (EntryType::Directory, "out/x", "")]),
            ("hard link out", vec![(EntryType::Link, "passwd", "/etc/passwd")]),
        ] {
            let dest = tempfile::tempdir().unwrap();
            assert!(unpack(&tar_of(&entries)[..], dest.path()).is_err(), "{case}");
        }
        assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
    }

    #[test]
    fn read_only_folders_get_their_contents_and_set_uid_is_dropped() {
        let dest = tempfile::tempdir().unwrap();
        let tar = tar_of(&[(EntryType::Directory, "a/", ""), (EntryType::Regular, "a/f", "")]);
        unpack(&tar[..], dest.path()).unwrap();
        let mode = |name| fs::metadata(dest.path().join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("a"), mode("a/f")), (0o555, 0o555));
    }

    #[test]
    fn root_file_systems_lose_their_devices_only() {
        let dest = tempfile::tempdir().unwrap();
        let tar = tar_of(&[(EntryType::Char, "null", ""), (EntryType::Symlink, "bin", "usr/bin")]);
        let mut archive = Archive::new(&tar[..]);
        archive.set_preserve_permissions(true);
        unpack_entries(archive, dest.path(), |entry| Ok(!is_special(entry.header().entry_type()))).unwrap();
        assert!(!dest.path().join("null").exists());
        assert_eq!(fs::read_link(dest.path().join("bin")).unwrap(), Path::new("usr/bin"));
    }
}
