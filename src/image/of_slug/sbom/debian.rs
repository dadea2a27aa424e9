//! The packages of a stack.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Read};

use deb822_fast::Deb822;

use super::Package;

/// Reads `/var/lib/dpkg/status`: the packages that are installed.
pub fn debian_packages(status: impl BufRead) -> io::Result<BTreeSet<Package>> {
    let mut packages = BTreeSet::new();
    for paragraph in Deb822::iter_paragraphs_from_reader(status) {
        let paragraph = paragraph.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        let is_installed = paragraph.get("Status").is_some_and(|status| status.ends_with(" installed"));
        if let (true, Some(name), Some(version)) = (is_installed, paragraph.get("Package"), paragraph.get("Version")) {
            packages.insert(Package::new("deb", name, version));
        }
    }
    Ok(packages)
}

/// More than any os-release has.
const MAX_RELEASE_BYTES: u64 = 64 * 1024;

/// Reads `/etc/os-release` (os-release(5)): which distribution it is, in the word that purls have for it.
pub fn distribution(os_release: impl Read) -> io::Result<Option<String>> {
    let mut text = Vec::new();
    os_release.take(MAX_RELEASE_BYTES).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let id = text.lines().find_map(|line| line.strip_prefix("ID=")).map(|id| id.trim().trim_matches(['"', '\'']));
    let is_word = |id: &&str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    Ok(id.filter(is_word).map(str::to_ascii_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_one_word() {
        let of = |text: &str| distribution(text.as_bytes()).unwrap();
        assert_eq!(of("NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n").as_deref(), Some("ubuntu"));
        assert_eq!(of("ID=\"linuxmint\"").as_deref(), Some("linuxmint"));
        for none in ["", "ID=\n", "ID=a/b\n", "VERSION_ID=12\n"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn only_what_is_installed_counts() {
        let status = "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\nDescription: C library\n of GNU\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n";
        let packages = debian_packages(status.as_bytes()).unwrap();
        assert_eq!(packages, [Package::new("deb", "libc6", "2.36-9")].into());
    }
}
