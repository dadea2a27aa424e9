use std::io::Read as _;

use super::*;

/// One entry of an input, as a tar may have it; most things can be said that should not be.
struct Input<'a> {
    entry_type: EntryType,
    path: &'a [u8],
    link: &'a [u8],
    mode: u32,
    content: &'a [u8],
}

fn entry(entry_type: EntryType, path: &str) -> Input<'_> {
    Input { entry_type, path: path.as_bytes(), link: b"", mode: 0o644, content: b"" }
}

fn file<'a>(path: &'a str, content: &'a str) -> Input<'a> {
    Input { content: content.as_bytes(), ..entry(EntryType::Regular, path) }
}

fn folder(path: &str) -> Input<'_> {
    Input { mode: 0o755, ..entry(EntryType::Directory, path) }
}

fn symlink<'a>(path: &'a str, target: &'a str) -> Input<'a> {
    Input { link: target.as_bytes(), ..entry(EntryType::Symlink, path) }
}

fn hard_link<'a>(path: &'a str, target: &'a str) -> Input<'a> {
    Input { link: target.as_bytes(), ..entry(EntryType::Link, path) }
}

/// A tar with one owner and time or another, as they come from different machines.
fn tar_of(inputs: &[Input], uid: u64) -> Vec<u8> {
    let mut tar = Vec::new();
    for input in inputs {
        let mut header = Header::new_gnu();
        for (long_type, name) in [(EntryType::GNULongName, input.path), (EntryType::GNULongLink, input.link)] {
            if name.len() > 100 {
                write_long_name(&mut tar, long_type, name).unwrap();
            }
        }
        fill(&mut header.as_old_mut().name, input.path);
        fill(&mut header.as_old_mut().linkname, input.link);
        header.set_entry_type(input.entry_type);
        header.set_mode(input.mode);
        header.set_size(input.content.len() as u64);
        header.set_uid(uid);
        header.set_gid(uid + 1);
        header.set_mtime(uid * 1000);
        header.set_username("somebody").unwrap();
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(input.content);
        tar.extend_from_slice(padding(input.content.len() as u64));
    }
    tar.extend_from_slice(&[0; 2 * BLOCK_BYTES]);
    tar
}

fn rewritten(tar: &[u8]) -> Result<Vec<u8>, RewriteError> {
    let mut slug = Vec::new();
    rewrite(tar, &mut slug, &mut ()).map(|_| slug)
}

/// What the `tar` crate reads, a line per entry.
fn listing(tar: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(tar);
    let line = |mut entry: tar::Entry<'_, &[u8]>| {
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        let header = entry.header();
        let (uid, gid, mtime) = (header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap());
        assert_eq!((uid, gid, mtime), (OWNER, OWNER, MTIME_SECS));
        assert_eq!((header.username_bytes(), header.groupname_bytes()), (Some(&b""[..]), Some(&b""[..])));
        let link = entry.link_name_bytes().map(|link| format!(" -> {}", link.escape_ascii())).unwrap_or_default();
        let (kind, mode) = (header.entry_type(), header.mode().unwrap());
        format!("{kind:?} {mode:o} {}{link} {content}", entry.path_bytes().escape_ascii()).trim_end().to_owned()
    };
    archive.entries().unwrap().map(|entry| line(entry.unwrap())).collect()
}

fn check(inputs: &[Input], expected: &[&str]) {
    let slug = rewritten(&tar_of(inputs, 1)).unwrap();
    assert_eq!(slug.len() % BLOCK_BYTES, 0);
    assert_eq!(listing(&slug), [&["Directory 755 ./app/"], expected].concat());
    assert_eq!(slug, rewritten(&tar_of(inputs, 7)).unwrap(), "owners, names and times leave no trace");
}

/// Expects that the last entry is refused, in words that have `why` in them.
fn refused(inputs: &[Input], why: &str) {
    match rewritten(&tar_of(inputs, 1)) {
        Err(RewriteError::BadEntry(bad)) => {
            assert!(bad.why.contains(why), "{bad}");
            assert_eq!(bad.path, inputs.last().unwrap().path);
        }
        other => panic!("expected a refusal with `{why}`, got {other:?}"),
    }
}

#[test]
fn a_tree_stands_below_app() {
    check(&[], &[]);
    check(
        &[
            folder("./"),
            folder("./bin/"),
            Input { mode: 0o4711, ..file("./bin/run", "#!/bin/sh\n") },
            symlink("./bin/sh", "/bin/sh"),
            hard_link("./copy", "./bin/run"),
            folder("./empty"),
            Input { mode: 0o600, ..file("./secret", "") },
            symlink("./up", "../../etc/passwd"),
        ],
        &[
            "Directory 755 ./app/bin/",
            "Regular 755 ./app/bin/run #!/bin/sh",
            "Symlink 777 ./app/bin/sh -> /bin/sh",
            "Link 644 ./app/copy -> ./app/bin/run",
            "Directory 755 ./app/empty/",
            "Regular 644 ./app/secret",
            "Symlink 777 ./app/up -> ../../etc/passwd",
        ],
    );
}

#[test]
fn special_files_are_passed_over() {
    let inputs = [entry(EntryType::Fifo, "a"), entry(EntryType::Char, "b"), entry(EntryType::Block, "c"), file("d", "d")];
    check(&inputs, &["Regular 644 ./app/d d"]);
}

#[test]
fn long_names_and_names_that_are_no_text_come_through() {
    // 94 bytes and `./app/` just fit into the header; one more, and several hundred, do not.
    for length in [94, 95, 255] {
        let name = "n".repeat(length);
        check(&[file(&name, "x")], &[&format!("Regular 644 ./app/{name} x")]);
    }
    let (first, second) = ("f".repeat(200), "s".repeat(200));
    let (deep, target) = (format!("{first}/{second}"), "t".repeat(300));
    check(
        &[folder(&first), symlink(&deep, &target)],
        &[&format!("Directory 755 ./app/{first}/"), &format!("Symlink 777 ./app/{deep} -> {target}")],
    );
    check(&[Input { path: b"\xff\xfe", ..file("", "x") }], &["Regular 644 ./app/\\xff\\xfe x"]);
}

#[test]
fn every_size_of_content_is_padded_right() {
    for size in [0, 1, 511, 512, 513, 1024, 100_000] {
        let content = "x".repeat(size);
        check(
            &[file("a", &content), file("b", "end")],
            &[format!("Regular 644 ./app/a {content}").trim_end(), "Regular 644 ./app/b end"],
        );
    }
}

#[test]
fn hostile_entries_are_refused() {
    refused(&[file("../x", "")], "`..`");
    refused(&[file("a/../../x", "")], "`..`");
    refused(&[file("/etc/passwd", "")], "absolute");
    refused(&[file("./", "")], "names no file");
    refused(&[file(".wh.x", "")], "container images");
    refused(&[file("a", ""), file("a", "")], "twice");
    refused(&[folder("a"), symlink("a", "/")], "twice");
    refused(&[file("b", ""), file("a", "")], "not sorted");
    refused(&[symlink("a", "/etc"), file("a/passwd", "")], "no folder");
    refused(&[file("a/b", "")], "no folder");
    refused(&[symlink("a", "")], "to nothing");
    refused(&[symlink("a", &"t".repeat(4096))], "longer than");
}

#[test]
fn hard_links_lead_to_files_of_the_slug_only() {
    refused(&[hard_link("a", "/etc/passwd")], "absolute");
    refused(&[hard_link("a", "../x")], "`..`");
    refused(&[hard_link("a", "b")], "no file before it");
    refused(&[symlink("a", "/etc"), hard_link("b", "a/passwd")], "no file before it");
    refused(&[symlink("a", "/etc/passwd"), hard_link("b", "a")], "no file before it");
    refused(&[folder("a"), hard_link("b", "a")], "no file before it");
}

/// A PAX header with these records; their lengths are counted here, with two digits for their own.
fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let record = |(key, value): &(&str, &str)| format!("{} {key}={value}\n", key.len() + value.len() + 5);
    let content: String = records.iter().map(record).collect();
    let mut tar = tar_of(&[Input { content: content.as_bytes(), ..entry(EntryType::XHeader, "PaxHeaders/x") }], 1);
    tar.truncate(tar.len() - 2 * BLOCK_BYTES);
    tar
}

#[test]
fn pax_headers_are_read_and_leave_no_trace() {
    let records = [("mtime", "1700000000.123456"), ("path", "naïve\nname"), ("SCHILY.xattr.user.x", "y")];
    let tar = [pax(&records), tar_of(&[file("other", "x")], 1)].concat();
    assert_eq!(listing(&rewritten(&tar).unwrap())[1..], ["Regular 644 ./app/na\\xc3\\xafve\\nname x"]);

    let tar = [pax(&[("linkpath", "the/target")]), tar_of(&[symlink("a", "other")], 1)].concat();
    assert_eq!(listing(&rewritten(&tar).unwrap())[1..], ["Symlink 777 ./app/a -> the/target"]);

    let comment = entry(EntryType::XGlobalHeader, "pax_global_header");
    check(&[Input { content: b"14 comment=abc\n", ..comment }, file("a", "x")], &["Regular 644 ./app/a x"]);

    let tar = [pax(&[("path", "../../x/y")]), tar_of(&[file("a", "x")], 1)].concat();
    assert!(matches!(rewritten(&tar), Err(RewriteError::BadEntry(bad)) if bad.path == b"../../x/y"));
}

fn broken(tar: &[u8], kind: io::ErrorKind) {
    match rewritten(tar) {
        Err(RewriteError::Input(error)) if error.kind() == kind => {}
        other => panic!("expected {kind:?}, got {other:?}"),
    }
}

#[test]
fn what_cannot_be_understood_is_refused() {
    let invalid = io::ErrorKind::InvalidData;
    broken(&tar_of(&[entry(EntryType::GNUSparse, "a")], 1), invalid);
    broken(&tar_of(&[entry(EntryType::new(b'Z'), "a")], 1), invalid);
    broken(&tar_of(&[Input { content: b"x", ..folder("a") }], 1), invalid);
    let after = tar_of(&[file("a", "x")], 1);
    for records in [[("size", "12345")], [("GNU.sparse.major", "1")]] {
        broken(&[pax(&records), after.clone()].concat(), invalid);
    }
    for malformed in ["12 path", "99 path=x\n", "x", " ", "9 path=xy\n", "0 a=b\n", "18446744073709551615 a=b\n"] {
        broken(&tar_of(&[Input { content: malformed.as_bytes(), ..entry(EntryType::XHeader, "x") }], 1), invalid);
    }
    let mut flipped = after;
    flipped[0] ^= 1;
    broken(&flipped, invalid);
    broken(&[b'x'; 1024], io::ErrorKind::Other);
}

#[test]
fn names_without_end_are_refused_before_they_are_read() {
    for (entry_type, size) in [(EntryType::GNULongName, 4098), (EntryType::GNULongLink, 1 << 40), (EntryType::XHeader, 1 << 40)] {
        let mut header = Header::new_gnu();
        header.set_entry_type(entry_type);
        header.set_size(size);
        header.set_cksum();
        broken(header.as_bytes(), io::ErrorKind::InvalidData);
    }
}

#[test]
fn a_tar_cut_anywhere_is_not_a_whole_one() {
    let tar = tar_of(&[folder("a"), file("a/b", "content"), symlink("c", &"t".repeat(120))], 1);
    let end = tar.len() - 2 * BLOCK_BYTES;
    for length in (0..=end).step_by(100).chain([end]) {
        broken(&tar[..length], io::ErrorKind::UnexpectedEof);
    }
    assert!(rewritten(&tar[..end + BLOCK_BYTES]).is_ok(), "one block of zeros is an end");
}
