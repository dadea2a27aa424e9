//! The packages of an app: what lies in its slug.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Read as _};

use super::locks::{self, Reader};
use super::{Package, debian_packages};
use crate::tarball::{BLOCK_BYTES, Kind, read_entry};

/// A lock file that is larger is passed over: the largest real ones have a few MiB.
const MAX_LOCK_BYTES: u64 = 32 * 1024 * 1024;

/// Reads a slug's tar to its end and lists the packages of its lock files, those that Python has installed, and those of the
/// distribution that buildpacks have unpacked. A lock file that can't be understood counts for nothing: it is the app's. Blocks.
pub fn packages_in_slug(mut tar: impl BufRead) -> io::Result<BTreeSet<Package>> {
    let mut packages = BTreeSet::new();
    while let Some(entry) = read_entry(&mut tar)? {
        let Kind::File { size_bytes, .. } = entry.kind else { continue };
        let path = String::from_utf8_lossy(&entry.path);
        let path = path.trim_start_matches("./");
        packages.extend(installed_python(path));
        let mut content = (&mut tar).take(size_bytes.next_multiple_of(BLOCK_BYTES as u64));
        if let Some(read) = reader_of(path).filter(|_| size_bytes <= MAX_LOCK_BYTES) {
            let mut text = String::new();
            // What is no UTF-8 is no lock file.
            if (&mut content).take(size_bytes).read_to_string(&mut text).is_ok() {
                packages.extend(read(&text).unwrap_or_default());
            }
        }
        io::copy(&mut content, &mut io::sink())?;
    }
    Ok(packages)
}

/// Lock files count in the app's own folder, where buildpacks look for them; below they are other people's.
fn reader_of(path: &str) -> Option<Reader> {
    let name = path.strip_prefix("app/")?;
    if is_unpacked(name) {
        return Some(|status| debian_packages(status.as_bytes()).ok().map(|packages| packages.into_iter().collect()));
    }
    locks::READERS.iter().find(|(file, _)| *file == name).map(|(_, reader)| *reader)
}

/// Whether this is dpkg's list of what a buildpack has unpacked: `buildpacks/lib/debian.sh` writes it.
fn is_unpacked(name: &str) -> bool {
    let pack = name.strip_prefix(".heroku/").and_then(|name| name.strip_suffix("/var/lib/dpkg/status"));
    pack.is_some_and(|pack| !pack.contains('/'))
}

/// Each has a folder `NAME-VERSION.dist-info` (packaging.python.org, "Recording installed projects").
fn installed_python(path: &str) -> Option<Package> {
    let folder = path.strip_suffix(".dist-info/METADATA")?;
    let (name, version) = folder.rsplit('/').next()?.split_once('-')?;
    Some(locks::python(name, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(files: &[(&str, &str)]) -> Vec<String> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        let packages = packages_in_slug(tar.into_inner().unwrap().as_slice()).unwrap();
        packages.into_iter().map(|Package { kind, name, version }| format!("{kind} {name} {version}")).collect()
    }

    #[test]
    fn lock_files_and_installed_packages_are_found() {
        let site = "app/.heroku/python/lib/python3.11/site-packages";
        let found = packages(&[
            ("app/requirements.txt", "Flask==3.0.0  # web\nrequests>=2\n"),
            (&format!("{site}/flask-3.0.0.dist-info/METADATA"), "Name: Flask\n"),
            (&format!("{site}/MarkupSafe-2.1.5.dist-info/METADATA"), "Name: MarkupSafe\n"),
            (&format!("{site}/flask-3.0.0.dist-info/RECORD"), ""),
            ("app/vendor/other/Cargo.lock", "[[package]]\nname = \"not-ours\"\nversion = \"1\"\n"),
            ("app/Cargo.lock", "[[package]]\nname = \"serde\"\nversion = \"1.0.0\"\n"),
        ]);
        assert_eq!(found, ["cargo serde 1.0.0", "pypi flask 3.0.0", "pypi markupsafe 2.1.5"]);
    }

    #[test]
    fn what_a_buildpack_has_unpacked_is_found() {
        let status = "Package: nginx\nVersion: 1.22.1-9\nStatus: install ok installed\n\n";
        let found =
            packages(&[("app/.heroku/php/var/lib/dpkg/status", status), ("app/.heroku/php/root/var/lib/dpkg/status", status)]);
        assert_eq!(found, ["deb nginx 1.22.1-9"]);
        assert_eq!(packages(&[("app/root/var/lib/dpkg/status", status)]), [""; 0]);
    }

    #[test]
    fn a_lock_file_that_is_none_is_passed_over() {
        assert_eq!(packages(&[("app/package-lock.json", "{"), ("app/poetry.lock", "package = 3")]), [""; 0]);
    }

    #[test]
    fn half_a_tar_is_an_error() {
        assert!(packages_in_slug(&[1; 100][..]).is_err());
    }
}
