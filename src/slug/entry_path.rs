//! Which paths may stand in a slug, and in which order.

use std::cmp::Ordering;

use crate::tarball::MAX_PATH_BYTES;

/// Linux's `NAME_MAX`.
const MAX_NAME_BYTES: usize = 255;

/// A path below the app's folder: relative, without empty, `.` or `..` parts. Empty for the folder itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct EntryPath(Vec<u8>);

impl EntryPath {
    /// Takes a path from a tar, `./a/b` or `a/b`, a folder's with or without a slash at its end. The error says why it
    /// is refused.
    pub(super) fn parse(path: &[u8]) -> Result<Self, &'static str> {
        if path.starts_with(b"/") {
            return Err("the path is absolute");
        }
        if path.len() > MAX_PATH_BYTES {
            return Err("the path is longer than 4,096 bytes");
        }
        let relative = if path == b"." { b"" } else { path.strip_prefix(b"./").unwrap_or(path) };
        let relative = relative.strip_suffix(b"/").unwrap_or(relative);
        if !relative.is_empty() {
            relative.split(|byte| *byte == b'/').try_for_each(check_name)?;
        }
        Ok(Self(relative.to_vec()))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The folder this stands in; `None` for the app's folder itself.
    fn parent(&self) -> Option<&[u8]> {
        if self.0.is_empty() {
            return None;
        }
        let slash = self.0.iter().rposition(|byte| *byte == b'/');
        Some(&self.0[..slash.unwrap_or(0)])
    }
}

fn check_name(name: &[u8]) -> Result<(), &'static str> {
    match name {
        b"" | b"." | b".." => Err("the path has an empty, `.` or `..` part"),
        _ if name.contains(&0) => Err("the path has a NUL byte"),
        _ if name.len() > MAX_NAME_BYTES => Err("a name in the path is longer than 255 bytes"),
        // A slug is an image layer too, where such a name deletes its neighbour (OCI image-spec, layer.md, "Whiteouts").
        _ if name.starts_with(b".wh.") => Err("names that start with `.wh.` are reserved by container images"),
        _ => Ok(()),
    }
}

/// Holds entries to the order of a sorted walk: each folder before what is in it, that directly after it and sorted by
/// the names' bytes.
///
/// That is what makes equal folders equal slugs. It also proves, with no more memory than the last path, that no path
/// comes twice and that none leads through a symbolic link or a file.
#[derive(Debug, Default)]
pub(super) struct Order {
    last: EntryPath,
    /// Whether it can't be stood in, being no folder.
    last_is_closed: bool,
}

impl Order {
    /// Takes the next path but the app's folder's own; the error says why it may not stand here.
    pub(super) fn advance(&mut self, path: &EntryPath, is_folder: bool) -> Result<(), &'static str> {
        match compare(self.last.as_bytes(), path.as_bytes()) {
            Ordering::Less => {}
            Ordering::Equal => return Err("the path comes twice"),
            Ordering::Greater => return Err("the entries are not sorted"),
        }
        if !self.is_open(path.parent().unwrap_or_default()) {
            return Err("the path leads through something that is no folder, or was not named before");
        }
        self.last.clone_from(path);
        self.last_is_closed = !is_folder;
        Ok(())
    }

    /// Tells whether `folder` is the last path, being a folder, or one that this stands in.
    fn is_open(&self, folder: &[u8]) -> bool {
        let last = self.last.as_bytes();
        match last.strip_prefix(folder) {
            Some([]) => !self.last_is_closed,
            Some(rest) => folder.is_empty() || rest.starts_with(b"/"),
            None => false,
        }
    }
}

/// Compares part by part, so that a folder's content follows it directly: `a`, `a/b`, `a-b`.
fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let key = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    left.iter().map(key).cmp(right.iter().map(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_and_plain() {
        let parsed = |path: &[u8]| EntryPath::parse(path).map(|path| path.0);
        assert_eq!(parsed(b"./a/b"), Ok(b"a/b".to_vec()));
        assert_eq!(parsed(b"a/b/"), Ok(b"a/b".to_vec()));
        assert_eq!(parsed(b"..a/b..\xff"), Ok(b"..a/b..\xff".to_vec()));
        for root in [&b""[..], b".", b"./"] {
            assert_eq!(parsed(root), Ok(vec![]));
        }
        let long_name = [b'x'; 256];
        let long_path = b"x/".repeat(2049);
        let hostile =
            [&b"/"[..], b"/a", b"..", b"./..", b"a/../b", b"a//b", b".//a", b"././a", b"a/.", b"a//", b"a\0b", b".wh.a"];
        for bad in hostile.into_iter().chain([&long_name[..], &long_path]) {
            assert!(parsed(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn order_is_that_of_a_sorted_walk() {
        // A slash at the end marks a folder here.
        let check = |paths: &[&str]| {
            let mut order = Order::default();
            paths.iter().try_for_each(|path| order.advance(&EntryPath::parse(path.as_bytes()).unwrap(), path.ends_with('/')))
        };
        assert_eq!(check(&["a/", "a/b/", "a/b/c", "a/d", "a-b", "ab/", "ab/c", "b"]), Ok(()));
        for bad in [
            &["b", "a"][..],       // not sorted
            &["a", "a"],           // twice
            &["a/", "a"],          // twice, as folder and file
            &["a-b", "a/", "a/b"], // sorted as strings, not part by part
            &["a", "a/b"],         // through a file or link
            &["a/", "b", "a/b"],   // back into a closed folder
            &["a/b"],              // a folder that was not named
            &["a/", "ab/c"],       // a prefix is no parent
            &["a/", "a/b", "a/b/c"],
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
