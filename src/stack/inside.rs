//! Reads what a stranger's image has in it, without being led out of it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

/// How often the kernel may say that it can't tell where `..` leads, as something was renamed just then, no matter where
/// (openat2(2), `EAGAIN`).
const TRIES: usize = 1000;

/// Opens a file of a stack's root; `None` where there is none. Links lead where they would lead if that were the root.
pub fn open_inside(root: &Path, path: &str) -> io::Result<Option<File>> {
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, root, folder, Mode::empty())?;
    // A pipe would be waited for.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = || openat2(&root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS);
    let mut opened = open();
    for _ in 0..TRIES {
        if !matches!(opened, Err(rustix::io::Errno::AGAIN)) {
            break;
        }
        std::thread::yield_now();
        opened = open();
    }
    match opened {
        Ok(file) => {
            let file = File::from(file);
            Ok(file.metadata()?.is_file().then_some(file))
        }
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads a file of a stack's root that has at most `most` bytes; nothing where there is none.
pub(super) fn read_inside(root: &Path, path: &str, most: u64) -> io::Result<Vec<u8>> {
    let Some(file) = open_inside(root, path)? else { return Ok(Vec::new()) };
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("its /{path} has more than {most} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn whoever_renames_something_meanwhile_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        symlink("../file", dir.path().join("etc/link")).unwrap();
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (one, other) = (dir.path().join("one"), dir.path().join("other"));
                fs::write(&one, "").unwrap();
                while !is_done.load(Ordering::Relaxed) {
                    fs::rename(&one, &other).unwrap();
                    fs::rename(&other, &one).unwrap();
                }
            });
            let failed = (0..20_000).find_map(|_| open_inside(dir.path(), "etc/link").err());
            is_done.store(true, Ordering::Relaxed);
            assert!(failed.is_none(), "{failed:?}");
        });
    }

    #[test]
    fn links_lead_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        fs::write(root.join("inside"), "inside").unwrap();
        symlink("../../secret", root.join("etc/climbs")).unwrap();
        symlink(dir.path().join("secret"), root.join("etc/absolute")).unwrap();
        symlink("/inside", root.join("etc/passwd")).unwrap();
        symlink("itself", root.join("etc/itself")).unwrap();
        let read = |path: &str| String::from_utf8(read_inside(&root, path, 6).unwrap()).unwrap();
        assert_eq!(read("etc/passwd"), "inside");
        for nothing in ["etc/climbs", "etc/absolute", "etc/itself", "etc", "inside/x", "nowhere"] {
            assert_eq!(read(nothing), "", "{nothing}");
        }
        assert!(read_inside(&root, "inside", 5).is_err());
    }
}
