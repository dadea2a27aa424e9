//! The packages of an app: what lies in its slug.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Read as _};

use super::locks::{self, INSTALLED_BY_NPM, MAX_PACKAGES, WANTED_OF_NPM, is_plain};
use super::{Contents, Package, debian_packages};
use crate::tarball::{BLOCK_BYTES, Kind, Observer, read_entry};

/// A list that is larger is not read: the largest real ones have a few MiB, and it is in memory for a moment.
const MAX_LIST_BYTES: u64 = 8 * 1024 * 1024;

/// Lists the packages of a slug's lock files, those that Python has installed, and those of the distribution that buildpacks
/// have unpacked. A list that can't be understood is the app's own affair, but is named.
#[derive(Default)]
pub struct Inventory {
    installed: BTreeSet<Package>,
    /// By the list's path; none where it was not read.
    listed: BTreeMap<String, Option<Vec<Package>>>,
    packages: usize,
}

/// Sees the slug's files.
impl Observer for Inventory {
    fn file(&mut self, path: &[u8], size_bytes: u64) -> bool {
        let path = shown(path);
        self.installed(&path);
        match list_in_app(&path) {
            // Of what is too long, nothing.
            Some(list) if size_bytes > MAX_LIST_BYTES => {
                self.listed(list, None);
                false
            }
            list => list.is_some(),
        }
    }

    fn content(&mut self, path: &[u8], content: &[u8]) {
        if let Some(list) = list_in_app(&shown(path)) {
            // What is no UTF-8 is no list.
            let packages = str::from_utf8(content).ok().and_then(|text| read_list(list, text));
            self.listed(list, packages);
        }
    }
}

/// Makes the inventory of a slug's tar, which is read to its end. Blocks.
pub fn packages_in_slug(mut tar: impl BufRead) -> io::Result<Contents> {
    let mut inventory = Inventory::default();
    while let Some(entry) = read_entry(&mut tar)? {
        let Kind::File { size_bytes, .. } = entry.kind else { continue };
        let mut content = (&mut tar).take(size_bytes.next_multiple_of(BLOCK_BYTES as u64));
        if inventory.file(&entry.path, size_bytes) {
            let mut bytes = Vec::new();
            (&mut content).take(size_bytes).read_to_end(&mut bytes)?;
            inventory.content(&entry.path, &bytes);
        }
        io::copy(&mut content, &mut io::sink())?;
    }
    Ok(inventory.contents())
}

impl Inventory {
    /// Each has a folder `NAME-VERSION.dist-info` (packaging.python.org, "Recording installed projects").
    fn installed(&mut self, path: &str) {
        let folder = path.strip_suffix(".dist-info/METADATA").and_then(|folder| folder.rsplit('/').next());
        if let Some((name, version)) = folder.and_then(|folder| folder.split_once('-'))
            && self.packages < MAX_PACKAGES
        {
            self.packages += 1;
            self.installed.extend(Some(locks::python(name, version)).filter(is_plain));
        }
    }

    fn listed(&mut self, path: &str, packages: Option<Vec<Package>>) {
        let packages = packages.filter(|packages| self.packages + packages.len() <= MAX_PACKAGES);
        self.packages += packages.as_ref().map_or(0, Vec::len);
        self.listed.insert(path.to_owned(), packages);
    }

    /// What was found.
    #[must_use]
    pub fn contents(mut self) -> Contents {
        if matches!(self.listed.get(INSTALLED_BY_NPM), Some(Some(_))) {
            self.listed.retain(|path, _| !WANTED_OF_NPM.contains(&path.as_str()));
        }
        let mut contents = Contents { packages: self.installed, unread: BTreeSet::new() };
        for (path, packages) in self.listed {
            match packages {
                Some(packages) => contents.packages.extend(packages),
                None => drop(contents.unread.insert(path)),
            }
        }
        contents
    }
}

fn read_list(path: &str, text: &str) -> Option<Vec<Package>> {
    if is_unpacked(path) {
        let packages = debian_packages(text.as_bytes()).ok()?;
        return Some(packages.into_iter().filter(is_plain).collect());
    }
    locks::read_lock_file(path, text)
}

/// A path of the slug's tar.
fn shown(path: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(path.strip_prefix(b"./").unwrap_or(path))
}

/// A list's path in the app's own folder, where buildpacks look for it; below are other people's.
fn list_in_app(path: &str) -> Option<&str> {
    path.strip_prefix("app/").filter(|path| locks::is_lock_file(path) || is_unpacked(path))
}

/// Whether this is dpkg's list of what a buildpack has unpacked: `buildpacks/lib/debian.sh` writes it.
fn is_unpacked(path: &str) -> bool {
    let pack = path.strip_prefix(".heroku/").and_then(|path| path.strip_suffix("/var/lib/dpkg/status"));
    pack.is_some_and(|pack| !pack.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(files: &[(&str, &str)]) -> Contents {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        packages_in_slug(tar.into_inner().unwrap().as_slice()).unwrap()
    }

    fn packages(files: &[(&str, &str)]) -> Vec<String> {
        let packages = contents(files).packages;
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
            ("app/Cargo.lock", "[[package]]\nname = \"serde\"\nversion = \"1.0.0\"\nsource = \"registry\"\n"),
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
    fn a_lock_file_that_is_none_is_named() {
        let found = contents(&[("app/package-lock.json", "{"), ("app/poetry.lock", "package = 3"), ("app/yarn.lock", "")]);
        let unread = ["package-lock.json", "poetry.lock"].map(str::to_owned).into();
        assert_eq!(found, Contents { packages: BTreeSet::new(), unread });
    }

    #[test]
    fn what_npm_has_installed_counts_before_what_it_could_have() {
        let wanted = r#"{"packages": {"node_modules/a": {"version": "1.0.0"}, "node_modules/tool": {"version": "2.0.0"}}}"#;
        let installed = r#"{"packages": {"node_modules/a": {"version": "1.0.0"}}}"#;
        assert_eq!(packages(&[("app/package-lock.json", wanted)]), ["npm a 1.0.0", "npm tool 2.0.0"]);
        let both = [("app/node_modules/.package-lock.json", installed), ("app/package-lock.json", wanted)];
        assert_eq!(packages(&both), ["npm a 1.0.0"]);
    }

    #[test]
    fn half_a_tar_is_an_error() {
        assert!(packages_in_slug(&[1; 100][..]).is_err());
    }
}
