use std::io::{Seek as _, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

use super::*;

const LIMITS: Limits = Limits { bytes: 10_000, files: 20 };

/// An entry: its type, path, and content or target.
type Given<'a> = (EntryType, &'a str, &'a str);

fn file<'a>(path: &'a str, content: &'a str) -> Given<'a> {
    (EntryType::Regular, path, content)
}

fn folder(path: &str) -> Given<'_> {
    (EntryType::Directory, path, "")
}

fn link<'a>(path: &'a str, target: &'a str) -> Given<'a> {
    (EntryType::Symlink, path, target)
}

fn tar_of(entries: &[Given<'_>]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (kind, path, text) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(if path.contains("bin/") { 0o700 } else { 0o600 });
        // As a stranger writes it: the crate's own way refuses what is to be refused here.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        let content = if *kind == EntryType::Regular {
            *text
        } else {
            header.as_old_mut().linkname[..text.len()].copy_from_slice(text.as_bytes());
            ""
        };
        header.set_size(content.len() as u64);
        header.set_cksum();
        out.append(&header, content.as_bytes()).unwrap();
    }
    out.into_inner().unwrap()
}

fn archive_of(bytes: &[u8]) -> Archive {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Archive { file, unwanted: CancellationToken::new() }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// What comes out, as `MODE PATH CONTENT`, and how many files were ignored.
fn unpacked(archive: Archive) -> Result<(Vec<String>, u64), String> {
    unpacked_from(archive, None)
}

fn unpacked_from(archive: Archive, root: Option<&str>) -> Result<(Vec<String>, u64), String> {
    let root = root.map(|root| root.parse().unwrap());
    let (archive, survey) = archive.survey(None, LIMITS, root).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    let ignored = archive.export(&survey, &mut out).map_err(|error| error.to_string())?;
    let mut lines = Vec::new();
    for entry in tar::Archive::new(out.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        let target = entry.link_name().unwrap().map(|target| format!("-> {}", target.display())).unwrap_or_default();
        let path = entry.path().unwrap().display().to_string();
        lines.push(format!("{:o} {path} {content}{target}", entry.header().mode().unwrap()).trim_end().to_owned());
    }
    Ok((lines, ignored))
}

fn check(entries: &[Given<'_>]) -> Result<(Vec<String>, u64), String> {
    unpacked(archive_of(&gzip(&tar_of(entries))))
}

fn paths(entries: &[Given<'_>]) -> Vec<String> {
    check(entries).unwrap().0
}

#[test]
fn the_one_folder_of_an_archive_is_not_part_of_the_app() {
    let github = [folder("app-main/"), file("app-main/Procfile", "web: x\n"), file("app-main/bin/a.sh", "y")];
    assert_eq!(paths(&github), ["644 Procfile web: x", "755 bin/a.sh y"]);
    // No entry need name it.
    assert_eq!(paths(&github[1..]), ["644 Procfile web: x", "755 bin/a.sh y"]);
    // An archive of several things, or one that says where it begins, is taken as it is.
    assert_eq!(paths(&[file("a/x", "1"), file("b", "2")]), ["644 a/x 1", "644 b 2"]);
    assert_eq!(paths(&[folder("./"), file("./public/x", "1")]), ["644 public/x 1"]);
    assert_eq!(paths(&[file("Procfile", "1")]), ["644 Procfile 1"]);
}

#[test]
fn slugignore_counts_wherever_the_app_begins() {
    let (lines, ignored) = check(&[file("x/doc/a", ""), file("x/b", ""), file("x/.slugignore", "doc\n")]).unwrap();
    assert_eq!((lines, ignored), (vec!["644 b".to_owned(), "644 .slugignore doc".to_owned()], 1));
    let (lines, ignored) = check(&[file("x/doc", ""), file("x/.slugignore", "doc\n"), file("y", "")]).unwrap();
    assert_eq!((lines.len(), ignored), (3, 0), "one below the app's folder is any file");
    assert_eq!(paths(&[file(".git/config", ""), file("a", "")]), ["644 a"]);
}

#[test]
fn an_app_may_be_a_folder_of_the_archive() {
    let from = |root, entries: &[Given<'_>]| unpacked_from(archive_of(&gzip(&tar_of(entries))), Some(root));
    let entries = [
        file("main/apps/web/a", "1"),
        file("main/apps/web/.slugignore", "doc\n"),
        file("main/apps/web/doc", ""),
        file("main/apps/website/b", "2"),
        file("main/apps/web/c/d", "3"),
        file("main/e", "4"),
    ];
    let web = vec!["644 a 1".to_owned(), "644 .slugignore doc".to_owned(), "644 c/d 3".to_owned()];
    assert_eq!(from("apps/web", &entries), Ok((web, 1)));
    assert_eq!(from("apps/web/c", &entries).unwrap().0, ["644 d 3"]);
    for missing in ["apps/we", "web", "apps/web/a"] {
        assert_eq!(from(missing, &entries), Err(format!("there is no folder {missing}")));
    }
    let hard = |target| [file("web/a", "1"), file("b", "2"), (EntryType::Link, "web/hard", target)];
    assert_eq!(from("web", &hard("web/a")).unwrap().0, ["644 a 1", "644 hard -> a"]);
    assert!(from("web", &hard("b")).unwrap_err().contains("not in the app's folder"));
}

#[test]
fn links_inside_are_kept() {
    let hard = (EntryType::Link, "x/hard", "x/a");
    let entries = [file("x/a", "1"), link("x/d/l", "../a"), hard];
    assert_eq!(paths(&entries), ["644 a 1", "777 d/l -> ../a", "644 hard -> a"]);
}

#[test]
fn what_does_not_belong_in_a_source_tree_is_refused() {
    let special = |kind| (kind, "x", "");
    for (entries, why) in [
        (vec![file("../a", "")], "../a: the path has a `..` part"),
        (vec![file("a/../../b", "")], "a/../../b: the path has a `..` part"),
        (vec![file("/etc/passwd", "")], "/etc/passwd: the path is absolute"),
        (vec![special(EntryType::Char)], "x: it is a device or a pipe"),
        (vec![special(EntryType::Block)], "x: it is a device or a pipe"),
        (vec![special(EntryType::Fifo)], "x: it is a device or a pipe"),
        (vec![link("l", "/etc"), file("a", "")], "l: the symbolic link leads out of the archive"),
        (vec![link("l", "../a"), file("a", "")], "l: the symbolic link leads out of the archive"),
        // In the archive, but not in the app.
        (vec![file("x/a", ""), link("x/l", "../x/a")], "x/l: the symbolic link leads out of the archive"),
        (vec![link("d", "e"), file("d/a", "")], "d/a: the path leads through a file or a symbolic link"),
        (vec![file("a", ""), file("a/b", "")], "a/b: the path leads through a file or a symbolic link"),
        (vec![file("a", "1"), file("./a", "2")], "./a: the path comes twice"),
        (vec![file("d/a", "1"), link("d", "e")], "d: the path comes twice"),
        (vec![(EntryType::Link, "h", "a"), file("a", "")], "h: a hard link to what is no file before it"),
        (vec![link("l", "e"), (EntryType::Link, "h", "l")], "h: a hard link to what is no file before it"),
        (vec![], "the source is empty"),
    ] {
        assert_eq!(check(&entries).unwrap_err(), why);
    }
}

#[test]
fn what_is_too_much_is_refused() {
    let big = "x".repeat(6000);
    let too_large = "the source unpacks to more than 10000 bytes";
    assert_eq!(check(&[file("a", &big), file("b", &big)]).unwrap_err(), too_large);
    let names: Vec<_> = (0..21).map(|number| number.to_string()).collect();
    let many: Vec<_> = names.iter().map(|name| file(name, "")).collect();
    let too_many = "the source has more than 20 files";
    assert_eq!(check(&many).unwrap_err(), too_many);
    let deep = "d/".repeat(21);
    assert_eq!(check(&[folder(&deep)]).unwrap_err(), too_many, "folders that no entry names");
    // A size that is said and not there is refused before anything is read.
    let mut tar = tar_of(&[file("a", "")]);
    let mut header = Header::from_byte_slice(&tar[..512]).clone();
    header.set_size(1 << 40);
    header.set_cksum();
    tar[..512].copy_from_slice(header.as_bytes());
    assert_eq!(unpacked(archive_of(&gzip(&tar))).unwrap_err(), too_large);
}

#[test]
fn what_is_no_archive_is_told_from_a_broken_disk() {
    let tar = tar_of(&[file("a", "some content")]);
    let whole = gzip(&tar);
    for bytes in [&b""[..], b"<html>not found</html>", &tar, &whole[..whole.len() - 20], &gzip(b"no tar"), &gzip(&tar[..700])] {
        let archive = archive_of(bytes);
        let error = archive.survey(None, LIMITS, None).map(|_| ()).unwrap_err();
        assert!(matches!(error, BuildError::Archive(ArchiveError::NotAnArchive(_))), "{error:?}");
    }
}

#[test]
fn the_checksum_is_of_the_archive_itself() {
    let bytes = gzip(&tar_of(&[file("a", "")]));
    let right = Checksum(Digest::from_bytes(Sha256::digest(&bytes).into()));
    assert!(archive_of(&bytes).survey(Some(right), LIMITS, None).is_ok());
    let wrong = Checksum(Digest::from_bytes([7; 32]));
    let error = archive_of(&bytes).survey(Some(wrong), LIMITS, None).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), format!("the source's checksum is {right}, not {wrong}"));
}

#[test]
fn reading_ends_when_nobody_wants_it() {
    let archive = archive_of(&gzip(&tar_of(&[file("a", "")])));
    archive.unwanted.cancel();
    assert!(archive.survey(None, LIMITS, None).is_err());
}

fn app_json_of(entries: &[Given<'_>]) -> Option<Vec<u8>> {
    let (_, survey) = archive_of(&gzip(&tar_of(entries))).survey(None, Limits { bytes: 1 << 20, files: 20 }, None).unwrap();
    survey.app_json
}

#[test]
fn app_json_is_that_of_the_apps_own_folder() {
    let text = |entries: &[Given<'_>]| app_json_of(entries).map(|text| String::from_utf8(text).unwrap());
    assert_eq!(text(&[file("app.json", "{}"), file("lib/app.json", "no")]).as_deref(), Some("{}"));
    assert_eq!(text(&[folder("main/"), file("main/app.json", "{}"), file("main/a/app.json", "no")]).as_deref(), Some("{}"));
    assert_eq!(text(&[file("main/app.json", "no"), file("README", "")]), None);
    assert_eq!(text(&[file("other.json", "{}"), link("app.json", "other.json")]), None);
    let long = "x".repeat(crate::model::AppJson::MAX_BYTES * 2);
    let read = app_json_of(&[file("app.json", &long), file("b", "")]).unwrap();
    assert_eq!(read.len(), crate::model::AppJson::MAX_BYTES + 1, "enough to see that it is too long, and no more");
}
