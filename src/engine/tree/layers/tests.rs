use std::os::unix::fs::{MetadataExt as _, symlink};

use tar::{Builder, Header};

use super::*;

/// Folders end in `/`, `a -> b` is a symbolic link, `a = b` a hard one, and `a: text` a file.
fn layer(entries: &[&str]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for entry in entries {
        let (kind, name, target, text) = match (entry.split_once(" -> "), entry.split_once(" = "), entry.split_once(": ")) {
            (Some((name, target)), ..) => (EntryType::Symlink, name, target, ""),
            (_, Some((name, target)), _) => (EntryType::Link, name, target, ""),
            (.., Some((name, text))) => (EntryType::Regular, name, "", text),
            _ if entry.ends_with('/') => (EntryType::Directory, *entry, "", ""),
            _ => (EntryType::Regular, *entry, "", ""),
        };
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_uid(rustix::process::getuid().as_raw().into());
        header.set_gid(rustix::process::getgid().as_raw().into());
        header.set_size(text.len() as u64);
        // Straight into the fields: the builder would refuse the names that matter here.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_gnu_mut().unwrap().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        tar.append(&header, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn apply(layers: &[&[&str]], dest: &Path) -> io::Result<()> {
    let tars: Vec<u8> = layers.iter().flat_map(|entries| layer(entries)).collect();
    unpack_layers(&tars[..], dest, 100)
}

/// The tree that the layers make, without the mount points: a line for each entry.
fn tree(layers: &[&[&str]]) -> String {
    let dest = tempfile::tempdir().unwrap();
    apply(layers, dest.path()).unwrap();
    let mut lines = Vec::new();
    list(dest.path(), Path::new(""), &mut lines);
    lines.sort();
    lines.retain(|line| !MOUNT_POINTS.iter().any(|name| *line == format!("{name}/")));
    lines.join(" ")
}

fn list(dest: &Path, folder: &Path, lines: &mut Vec<String>) {
    for entry in fs::read_dir(dest.join(folder)).unwrap() {
        let path = folder.join(entry.unwrap().file_name());
        let there = dest.join(&path);
        if let Ok(target) = fs::read_link(&there) {
            lines.push(format!("{}->{}", path.display(), target.display()));
        } else if there.is_dir() {
            lines.push(format!("{}/", path.display()));
            list(dest, &path, lines);
        } else {
            lines.push(format!("{}:{}", path.display(), fs::read_to_string(there).unwrap()));
        }
    }
}

#[test]
fn the_layer_above_counts() {
    assert_eq!(tree(&[&["a: 1", "b: 1"], &["b: 2", "c: 2"]]), "a:1 b:2 c:2");
    assert_eq!(tree(&[&["d/", "d/x: 1"], &["d/", "d/y: 2"]]), "d/ d/x:1 d/y:2", "folders are one");
    assert_eq!(tree(&[&["d/", "d/x: 1"], &["d: now a file"]]), "d:now a file");
    assert_eq!(tree(&[&["d: 1"], &["d/", "d/x: 2"]]), "d/ d/x:2");
    assert_eq!(tree(&[&["t: 1", "d -> t"], &["d: 2"]]), "d:2 t:1", "not through a link");
    assert_eq!(tree(&[&["t/", "d -> t"], &["d/", "d/x: 2"]]), "d/ d/x:2 t/");
    assert_eq!(tree(&[&["t/", "d -> t"], &["d/x: 2"]]), "d->t t/ t/x:2", "a folder that it does not name is as it was");
}

#[test]
fn whiteouts_hide_what_is_below_and_only_that() {
    assert_eq!(tree(&[&["a: 1", "b: 1"], &[".wh.a"]]), "b:1");
    assert_eq!(tree(&[&["d/", "d/e/", "d/e/x: 1"], &["d/.wh.e"]]), "d/");
    assert_eq!(tree(&[&["a: 1"], &["a: 2", ".wh.a"]]), "a:2", "its own stays, in whatever order");
    assert_eq!(tree(&[&["a: 1"], &[".wh.a", "a: 2"]]), "a:2");
    assert_eq!(tree(&[&["d/", "d/x: 1"], &["d/y: 2", ".wh.d"]]), "d/ d/y:2");
    assert_eq!(tree(&[&["a: 1"], &[".wh.gone", "no/.wh.folder"]]), "a:1");
    assert_eq!(tree(&[&["t: 1", "l -> t"], &[".wh.l"]]), "t:1", "the link and not what it leads to");
    assert_eq!(tree(&[&["a: 1"], &[".wh..wh.plnk", ".wh..wh.aufs"]]), "a:1");
}

#[test]
fn an_opaque_folder_has_what_its_layer_brings() {
    let below: &[&str] = &["d/", "d/a: 1", "d/e/", "d/e/b: 1", "f: 1"];
    assert_eq!(tree(&[below, &["d/.wh..wh..opq"]]), "d/ f:1");
    assert_eq!(tree(&[below, &["d/", "d/.wh..wh..opq", "d/e/", "d/e/c: 2"]]), "d/ d/e/ d/e/c:2 f:1");
    assert_eq!(tree(&[below, &["d/e/", "d/e/c: 2", "d/.wh..wh..opq"]]), "d/ d/e/ d/e/c:2 f:1", "in whatever order");
    assert_eq!(tree(&[below, &["d/e/", "d/.wh..wh..opq"]]), "d/ d/e/ f:1");
    assert_eq!(tree(&[below, &[".wh..wh..opq", "g: 2"]]), "g:2", "also of the root");
}

#[test]
fn hard_links_are_one_file_until_one_of_them_is_replaced() {
    let dest = tempfile::tempdir().unwrap();
    apply(&[&["a: 1", "b = a"]], dest.path()).unwrap();
    let inode = |name| fs::metadata(dest.path().join(name)).unwrap().ino();
    assert_eq!(inode("a"), inode("b"));
    assert_eq!(tree(&[&["a: 1", "b = a"], &["a: 2"]]), "a:2 b:1");
    assert_eq!(tree(&[&["a: 1", "b = a"], &[".wh.a"]]), "b:1");
}

#[test]
fn nothing_leads_out() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("kept"), "").unwrap();
    let there = outside.path().to_str().unwrap();
    for (case, layers) in [
        ("climbs", vec![vec!["../x: 1".to_owned()]]),
        ("a whiteout climbs", vec![vec!["a/../../.wh.x".to_owned()]]),
        ("a whiteout of its own parent", vec![vec!["a/".to_owned(), "a/.wh...".to_owned()]]),
        ("through a link", vec![vec![format!("out -> {there}")], vec!["out/x: 1".to_owned()]]),
        ("a folder through a link", vec![vec![format!("out -> {there}")], vec!["out/x/".to_owned()]]),
        ("a whiteout through a link", vec![vec![format!("out -> {there}")], vec!["out/.wh.kept".to_owned()]]),
        ("a hard link", vec![vec!["passwd = /etc/../../../../../../etc/passwd".to_owned()]]),
    ] {
        let dest = tempfile::tempdir().unwrap();
        let layers: Vec<Vec<&str>> = layers.iter().map(|layer| layer.iter().map(String::as_str).collect()).collect();
        let layers: Vec<&[&str]> = layers.iter().map(Vec::as_slice).collect();
        let error = apply(&layers, dest.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{case}: {error}");
    }
    // What is behind a link is not emptied, and the link stays.
    let dest = tempfile::tempdir().unwrap();
    symlink(there, dest.path().join("out")).unwrap();
    apply(&[&["out/.wh..wh..opq"]], dest.path()).unwrap();
    assert!(outside.path().join("kept").exists());
}

#[test]
fn there_is_a_limit_and_a_broken_layer_is_its_makers_fault() {
    let dest = tempfile::tempdir().unwrap();
    let error = unpack_layers(&[layer(&["a", "b"]), layer(&["c"])].concat()[..], dest.path(), 2).unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::InvalidData, "the image has more than 2 files".into()));
    for broken in [&layer(&["a: 1"])[..600], b"this is not even a header"] {
        let dest = tempfile::tempdir().unwrap();
        assert_eq!(unpack_layers(broken, dest.path(), 9).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn what_is_mounted_on_is_a_folder() {
    let dest = tempfile::tempdir().unwrap();
    apply(&[&["proc: a file", "dev -> /nowhere", "etc/", "etc/hosts: 1"]], dest.path()).unwrap();
    assert!(MOUNT_POINTS.iter().all(|name| is_real_folder(&dest.path().join(name))));
    assert!(dest.path().join("etc/hosts").exists());
}
