//! Which paths and links may stand in a source archive.

use crate::tarball::MAX_PATH_BYTES;

/// Linux's `NAME_MAX`.
const MAX_NAME_BYTES: usize = 255;
/// Real trees stay far below.
const MAX_DEPTH: usize = 512;

/// Takes an archive's path apart into its names: none for the archive's own folder. `.` and empty parts, which tar writes
/// in front and at the end, go; the error says why a path is refused.
pub(super) fn parse(path: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    if path.starts_with(b"/") {
        return Err("the path is absolute");
    }
    if path.len() > MAX_PATH_BYTES {
        return Err("the path is longer than 4,096 bytes");
    }
    let mut names = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => return Err("the path has a `..` part"),
            _ if name.contains(&0) => return Err("the path has a NUL byte"),
            _ if name.len() > MAX_NAME_BYTES => return Err("a name in the path is longer than 255 bytes"),
            _ => names.push(name),
        }
    }
    if names.len() > MAX_DEPTH { Err("it is nested more than 512 folders deep") } else { Ok(names) }
}

/// Checks where a symbolic link points that stands `depth` folders deep in the app: anywhere inside of it.
pub(super) fn check_target(target: &[u8], depth: usize) -> Result<(), &'static str> {
    if target.is_empty() || target.contains(&0) || target.len() >= MAX_PATH_BYTES {
        return Err("the symbolic link's target is empty, too long or has a NUL byte");
    }
    if target.starts_with(b"/") {
        return Err("the symbolic link leads out of the archive");
    }
    let mut depth = depth;
    for name in target.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => depth = depth.checked_sub(1).ok_or("the symbolic link leads out of the archive")?,
            _ => depth += 1,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_and_do_not_climb() {
        let joined = |path: &[u8]| parse(path).map(|names| names.join(&b'/'));
        assert_eq!(joined(b"./a//b/"), Ok(b"a/b".to_vec()));
        assert_eq!(joined(b"..a/b.."), Ok(b"..a/b..".to_vec()));
        for root in [&b""[..], b".", b"./"] {
            assert_eq!(joined(root), Ok(vec![]));
        }
        let (name, path, deep) = ([b'x'; 256], b"xxx/".repeat(1025), b"x/".repeat(513));
        for bad in [&b"/a"[..], b"..", b"../a", b"a/../../b", b"a/..", b"a\0b", &name, &path, &deep] {
            assert!(parse(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn links_stay_inside() {
        for (good, depth) in [(&b"a"[..], 0), (b"../a", 1), (b"../../a/./b", 2), (b"a/../b", 0)] {
            assert_eq!(check_target(good, depth), Ok(()), "{}", good.escape_ascii());
        }
        for (bad, depth) in [(&b""[..], 0), (b"/etc/passwd", 3), (b"..", 0), (b"../..", 1), (b"a/../../b", 0), (b"a\0", 0)] {
            assert!(check_target(bad, depth).is_err(), "{}", bad.escape_ascii());
        }
    }
}
