//! The programs that hoist puts into containers: itself, and `nft` for the network's filter. As a stack may have another C
//! library or none, they bring their own along, and are started by their own loader.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use std::os::unix::fs::MetadataExt as _;
use tar::{EntryType, Header};

use crate::engine::EngineError;
use crate::engine::sandbox::programs;

/// Where they are in the container; for root only.
const FOLDER: &str = "/.hoist";

/// How long a loader may take to say what a program needs.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// The programs with the libraries that they need.
#[derive(Debug)]
pub(super) struct Program {
    /// Files of this host, by their names in the container.
    files: BTreeMap<String, PathBuf>,
    hoist: Vec<String>,
    nft: Vec<String>,
    version: String,
}

impl Program {
    pub(super) async fn find(hoist: &Path) -> Result<Self, EngineError> {
        let mut files = BTreeMap::new();
        let hoist = add("hoist", hoist.to_owned(), &mut files).await?;
        let nft = add("nft", programs::find("nft", "nftables")?, &mut files).await?;
        let version = version(&files).map_err(|error| EngineError::io("cannot read hoist's own executable", error))?;
        Ok(Self { files, hoist, nft, version })
    }

    /// Changes when a program or library does.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// The command that starts hoist in a container.
    pub(super) fn hoist(&self, command: &str) -> Vec<String> {
        self.hoist.iter().cloned().chain([command.to_owned()]).collect()
    }

    /// The command that starts `nft` in a container.
    pub(super) fn nft(&self) -> Vec<String> {
        self.nft.clone()
    }

    /// What the files are: names in the container and on this host.
    pub(super) fn files(&self) -> BTreeMap<String, PathBuf> {
        self.files.clone()
    }
}

/// Adds a program and what it needs to `files`; returns the command that starts it.
async fn add(name: &str, path: PathBuf, files: &mut BTreeMap<String, PathBuf>) -> Result<Vec<String>, EngineError> {
    let listed =
        list(&path).await.map_err(|error| EngineError::io(format!("cannot find what {} needs", path.display()), error))?;
    let needed = parse_needed(&listed).map_err(EngineError::new)?;
    files.extend(needed.libraries);
    files.insert(name.to_owned(), path);
    let program = format!("{FOLDER}/{name}");
    let Some((loader, path)) = needed.loader else { return Ok(vec![program]) };
    let started = format!("{FOLDER}/{loader}");
    files.insert(loader, path);
    Ok([&*started, "--inhibit-cache", "--library-path", FOLDER, &*program].map(str::to_owned).to_vec())
}

/// Has a program's loader list its libraries instead of running it, as `ldd` does. One without a loader runs, but has no
/// input, and says nothing on its output.
async fn list(program: &Path) -> io::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "the engine is where processes are started")]
    let running = tokio::process::Command::new(program)
        .arg("container-init")
        .env_clear()
        .env("LD_TRACE_LOADED_OBJECTS", "1")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIST_TIMEOUT, running).await??;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What a program needs, each by name and place.
#[derive(Debug, Default, PartialEq, Eq)]
struct Needed {
    loader: Option<(String, PathBuf)>,
    libraries: Vec<(String, PathBuf)>,
}

/// Reads the loader's list, whose lines are `libc.so.6 => /lib/libc.so.6 (0x7f…)`, and without an arrow for the loader itself
/// and for what the kernel provides.
fn parse_needed(listed: &str) -> Result<Needed, String> {
    let mut needed = Needed::default();
    for line in listed.lines().map(str::trim) {
        let line = line.rsplit_once(" (0x").map_or(line, |(line, _)| line);
        match line.split_once(" => ") {
            Some((name, path)) if path.starts_with('/') => {
                let name = name.rsplit('/').next().unwrap_or(name);
                needed.libraries.push((name.to_owned(), path.into()));
            }
            Some((name, _)) => return Err(format!("the library {name} is not installed")),
            None if line.starts_with('/') => {
                let name = line.rsplit('/').next().unwrap_or(line);
                needed.loader = Some((name.to_owned(), line.into()));
            }
            None => {}
        }
    }
    Ok(needed)
}

fn version(files: &BTreeMap<String, PathBuf>) -> io::Result<String> {
    let mut hash = Sha256::new();
    for (name, path) in files {
        let found = path.metadata()?;
        hash.update(format!("{name} {} {} {}.{}\n", found.ino(), found.size(), found.mtime(), found.mtime_nsec()));
    }
    Ok(hex::encode(hash.finalize()))
}

/// Writes the files as the beginning of a tar, which others' entries follow.
pub(super) fn write_tar(files: &BTreeMap<String, PathBuf>, mut out: impl Write) -> io::Result<()> {
    let folder = FOLDER.trim_start_matches('/');
    out.write_all(header(EntryType::Directory, &format!("{folder}/"), 0)?.as_bytes())?;
    for (name, path) in files {
        let mut file = std::fs::File::open(path)?;
        let size = file.metadata()?.len();
        out.write_all(header(EntryType::Regular, &format!("{folder}/{name}"), size)?.as_bytes())?;
        if io::copy(&mut file, &mut out)? != size {
            return Err(io::Error::other(format!("{} has changed while it was read", path.display())));
        }
        let rest = usize::try_from(size % 512).expect("less than a block");
        out.write_all(&[0; 512][..(512 - rest) % 512])?;
    }
    out.flush()
}

fn header(kind: EntryType, name: &str, size: u64) -> io::Result<Header> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_path(name)?;
    header.set_mode(0o700);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    Ok(header)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_loader_is_told_from_libraries() {
        let listed =
            "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x00007f21)\n\t/lib64/ld.so.2 (0x00007f22)\n";
        let needed = parse_needed(listed).unwrap();
        assert_eq!(needed.loader, Some(("ld.so.2".to_owned(), "/lib64/ld.so.2".into())));
        assert_eq!(needed.libraries, [("libc.so.6".to_owned(), "/lib/x/libc.so.6".into())]);
        assert_eq!(parse_needed("").unwrap(), Needed::default());
        assert_eq!(parse_needed("\tlibx.so => not found\n").unwrap_err(), "the library libx.so is not installed");
    }

    #[test]
    fn more_entries_may_follow() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), [7; 700]).unwrap();
        let mut tar = Vec::new();
        write_tar(&BTreeMap::from([("hoist".to_owned(), dir.path().join("file"))]), &mut tar).unwrap();
        let mut rest = tar::Builder::new(Vec::new());
        rest.append(&header(EntryType::Regular, "behind", 0).unwrap(), io::empty()).unwrap();
        tar.extend(rest.into_inner().unwrap());
        let mut archive = tar::Archive::new(&tar[..]);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (String::from_utf8(entry.path_bytes().into_owned()).unwrap(), bytes.len())
        });
        let expected = [(".hoist/", 0), (".hoist/hoist", 700), ("behind", 0)].map(|(name, size)| (name.to_owned(), size));
        assert_eq!(entries.collect::<Vec<_>>(), expected);
    }
}
