//! A stack's root file system goes in and out of the engine.

use hoist::engine::{Engine, Kind};
use tar::{Builder, EntryType, Header};
use tokio::io::AsyncReadExt as _;

use crate::engine::settings;

/// Folder and file of the user `app`, the file from the fifth second of 1970.
fn root() -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (path, kind, mode, content) in
        [("app/", EntryType::Directory, 0o755, ""), ("app/file", EntryType::Regular, 0o640, "content")]
    {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(1000);
        header.set_gid(1000);
        header.set_mtime(5);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

#[tokio::test]
async fn a_root_comes_out_with_its_owners_and_the_same_from_any_host() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(settings(Kind::Sandbox, &dir.path().join("work"))).await.unwrap();
    let mut packed = Vec::new();
    for name in ["one", "other"] {
        let dest = dir.path().join(name);
        engine.unpack_root(root().as_slice(), &dest).await.unwrap();
        let mut bytes = Vec::new();
        engine.pack_root(&dest, 1000).unwrap().read_to_end(&mut bytes).await.unwrap();
        engine.remove_root(&dest).await.unwrap();
        packed.push(bytes);
    }
    assert!(packed[0] == packed[1]);
    let mut archive = tar::Archive::new(packed[0].as_slice());
    let told: Vec<_> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            (path, header.uid().unwrap(), header.mode().unwrap(), header.mtime().unwrap())
        })
        .collect();
    let expected = [("./", 0, 0o755, 1000), ("./app/", 1000, 0o755, 1000), ("./app/file", 1000, 0o640, 5)];
    assert_eq!(told, expected.map(|(path, uid, mode, mtime)| (path.to_owned(), uid, mode, mtime)));
}

#[tokio::test]
async fn a_root_that_is_not_there_is_no_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(settings(Kind::Sandbox, &dir.path().join("work"))).await.unwrap();
    let mut tar = engine.pack_root(&dir.path().join("nowhere"), 1000).unwrap();
    assert!(tar.read_to_end(&mut Vec::new()).await.is_err());
}
