//! What Git LFS keeps in a tree in place of a large file.
//! Source: Git LFS's specification, <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>.

use crate::model::LfsObject;

/// A pointer is smaller than this.
pub(in crate::git) const MAX_POINTER: u64 = 1024;

/// Reads a pointer: lines of a key, a space and a value, `version` first; `None` for any other file.
#[must_use]
pub fn parse_pointer(bytes: &[u8]) -> Option<LfsObject> {
    const VERSIONS: [&str; 2] = ["version https://git-lfs.github.com/spec/v1", "version https://hawser.github.com/spec/v1"];
    let mut lines = std::str::from_utf8(bytes).ok()?.lines();
    lines.next().filter(|line| VERSIONS.contains(line))?;
    let (mut digest, mut size_bytes) = (None, None);
    for line in lines {
        match line.split_once(' ')? {
            ("oid", oid) => digest = Some(oid.parse().ok()?),
            ("size", size) => size_bytes = Some(size.parse().ok()?),
            _ => {}
        }
    }
    Some(LfsObject { digest: digest?, size_bytes: size_bytes? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_told_from_files() {
        let oid = format!("sha256:{}", "4d7a".repeat(16));
        let pointer = format!("version https://git-lfs.github.com/spec/v1\noid {oid}\nsize 12345\n");
        let object = LfsObject { digest: oid.parse().unwrap(), size_bytes: 12345 };
        assert_eq!(parse_pointer(pointer.as_bytes()), Some(object));
        let extended = pointer.replace("oid ", &format!("ext-0-foo {oid}\noid "));
        assert_eq!(parse_pointer(extended.as_bytes()), Some(object));
        for other in [
            "",
            "version https://git-lfs.github.com/spec/v1\n",
            &pointer.replace("sha256:", "sha1:"),
            &pointer.replace("12345", "-1"),
            &pointer.replace("spec/v1", "spec/v9"),
            &format!("x\n{pointer}"),
        ] {
            assert_eq!(parse_pointer(other.as_bytes()), None, "{other}");
        }
    }
}
