//! The packages of a stack.

use std::collections::BTreeSet;
use std::io::{self, BufRead};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_installed_counts() {
        let status = "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\nDescription: C library\n of GNU\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n";
        let packages = debian_packages(status.as_bytes()).unwrap();
        assert_eq!(packages, [Package::new("deb", "libc6", "2.36-9")].into());
    }
}
