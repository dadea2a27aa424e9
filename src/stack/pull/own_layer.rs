//! What hoist adds to an image, as one more layer: the user as whom everything runs, and the folder of apps.

use std::io;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use crate::model::{APP_DIR, APP_USER_ID};
use crate::stack::inside::read_inside;

/// The longest list of users that is read.
const MAX_LIST_BYTES: u64 = 1024 * 1024;

/// What the user is called, or else: images may have somebody of that name already.
const NAMES: [&str; 3] = ["app", "hoist", "hoist-app"];

/// The layer, a plain tar, that goes over what is in `root`. The same image gives the same bytes.
///
/// A user of this id that is there stays as the image has them. What is in `/app` goes: it would be a part of every slug.
pub(super) fn own_layer(root: &Path) -> io::Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    for (path, rest) in [("etc/passwd", format!(":{APP_USER_ID}::{APP_DIR}:/bin/bash")), ("etc/group", ":".to_owned())] {
        let list = read_inside(root, path, MAX_LIST_BYTES)?;
        if let Some(list) = with_app(&list, &rest) {
            append(&mut tar, path, EntryType::Regular, 0o644, 0, &list)?;
        }
    }
    let app = APP_DIR.trim_start_matches('/');
    append(&mut tar, &format!("{app}/"), EntryType::Directory, 0o755, APP_USER_ID, b"")?;
    append(&mut tar, &format!("{app}/.wh..wh..opq"), EntryType::Regular, 0o644, 0, b"")?;
    append(&mut tar, "tmp/", EntryType::Directory, 0o1777, 0, b"")?;
    tar.into_inner()
}

/// The list with one more line, unless somebody has the id (passwd(5), group(5)).
fn with_app(list: &[u8], rest: &str) -> Option<Vec<u8>> {
    let lines = || list.split(|byte| *byte == b'\n').map(|line| line.split(|byte| *byte == b':'));
    let id = APP_USER_ID.to_string();
    if lines().any(|mut fields| fields.nth(2) == Some(id.as_bytes())) {
        return None;
    }
    let is_free = |name: &&&str| !lines().any(|mut fields| fields.next() == Some(name.as_bytes()));
    let name = NAMES.iter().find(is_free).unwrap_or(&NAMES[0]);
    let end: &[u8] = if list.is_empty() || list.ends_with(b"\n") { b"" } else { b"\n" };
    Some([list, end, format!("{name}:x:{id}{rest}\n").as_bytes()].concat())
}

fn append(tar: &mut Builder<Vec<u8>>, path: &str, kind: EntryType, mode: u32, owner: u32, content: &[u8]) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner.into());
    header.set_gid(owner.into());
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, path, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwd(list: &str) -> Option<String> {
        with_app(list.as_bytes(), ":1000::/app:/bin/bash").map(|list| String::from_utf8(list).unwrap())
    }

    #[test]
    fn the_user_is_added_unless_somebody_is_there() {
        assert_eq!(passwd("").unwrap(), "app:x:1000:1000::/app:/bin/bash\n");
        assert_eq!(passwd("root:x:0:0::/root:/bin/sh").unwrap(), "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/app:/bin/bash\n");
        assert_eq!(passwd("node:x:1000:1000::/home/node:/bin/bash\n"), None);
        let taken = passwd("app:x:1654:1654::/home/app:/bin/sh\nother:x:10000:1000::/:/bin/sh\n").unwrap();
        assert!(taken.ends_with("\nhoist:x:1000:1000::/app:/bin/bash\n"), "{taken}");
    }

    #[test]
    fn an_image_of_nothing_gets_all_of_it() {
        let root = tempfile::tempdir().unwrap();
        let layer = own_layer(root.path()).unwrap();
        assert_eq!(layer, own_layer(root.path()).unwrap());
        let mut archive = tar::Archive::new(layer.as_slice());
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            format!("{} {:o} {}", entry.path().unwrap().display(), header.mode().unwrap(), header.uid().unwrap())
        });
        let expected = ["etc/passwd 644 0", "etc/group 644 0", "app/ 755 1000", "app/.wh..wh..opq 644 0", "tmp/ 1777 0"];
        assert_eq!(entries.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_list_of_a_stranger_is_bounded() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/passwd"), vec![b'x'; 1024 * 1024 + 1]).unwrap();
        assert_eq!(own_layer(root.path()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
