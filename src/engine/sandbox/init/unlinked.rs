//! Adds up the disk space of files that have no name any more: they are deleted, and some process still has them open.
//!
//! A deleted file that is only mapped, or on its way through a socket, is not found: who looks for it needs rights on the host.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Statx, StatxFlags, statx};

/// More descriptors than this are not looked at, which would take too long: no honest build has as many.
const MAX_DESCRIPTORS: usize = 1 << 20;

const ASKED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID);

/// Disk space, in bytes, taken by the deleted files of `root`'s mount that these processes have open. Processes that end
/// meanwhile have none. Too many descriptors count as endless.
pub(in crate::engine) fn bytes(root: &Path, processes: &[i32]) -> io::Result<u64> {
    let mount = statx(CWD, root, AtFlags::empty(), ASKED)?.stx_mnt_id;
    let mut counted = HashSet::new();
    let mut total = 0;
    for (looked_at, descriptor) in processes.iter().flat_map(|process| descriptors(*process)).enumerate() {
        if looked_at >= MAX_DESCRIPTORS {
            return Ok(u64::MAX);
        }
        // Closed meanwhile, otherwise.
        if let Ok(file) = statx(CWD, &descriptor, AtFlags::empty(), ASKED)
            && is_deleted(&file)
            && file.stx_mnt_id == mount
            && counted.insert((file.stx_dev_major, file.stx_dev_minor, file.stx_ino))
        {
            total += file.stx_blocks * 512;
        }
    }
    Ok(total)
}

/// The open files of a process, thread by thread: threads need not share them.
fn descriptors(process: i32) -> impl Iterator<Item = PathBuf> {
    let threads = entries(format!("/proc/{process}/task").as_ref());
    threads.flat_map(|thread| entries(&thread.join("fd")))
}

/// What is in a folder; nothing if it has gone.
fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(dir).into_iter().flatten().map_while(Result::ok).map(|entry| entry.path())
}

/// A kernel that does not tell the mount (before 5.8) can't tell files on disk from those in memory, either.
fn is_deleted(file: &Statx) -> bool {
    let is_told = StatxFlags::from_bits_retain(file.stx_mask).contains(ASKED);
    is_told && file.stx_nlink == 0 && FileType::from_raw_mode(file.stx_mode.into()).is_file()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    /// Has a file open twice that is deleted, and another that is not.
    const HOARDER: &str =
        "exec 3> deleted 4>&3 5> kept; head -c 1M /dev/zero | tee /dev/fd/3 >&5; sync *; rm deleted; echo; read _";

    #[test]
    fn deleted_files_count_once_while_they_are_open() {
        let dir = tempfile::tempdir().unwrap();
        #[expect(clippy::disallowed_methods, reason = "what is looked at is another process")]
        let mut hoarder = Command::new("sh");
        let hoarder = hoarder.args(["-c", HOARDER]).current_dir(&dir).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut hoarder = hoarder.spawn().unwrap();
        let pid = [hoarder.id().cast_signed()];
        BufReader::new(hoarder.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        let taken = bytes(dir.path(), &pid).unwrap();
        assert!((1 << 20..2 << 20).contains(&taken), "{taken}");
        assert_eq!(bytes("/proc".as_ref(), &pid).unwrap(), 0, "of another mount");
        drop(hoarder.stdin.take());
        hoarder.wait().unwrap();
        assert_eq!(bytes(dir.path(), &pid).unwrap(), 0, "it has ended");
    }
}
