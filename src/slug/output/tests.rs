use std::fs::{self, File};
use std::io::Read as _;
use std::num::NonZero;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};

use super::*;
use crate::slug::gzip::Gzip;
use crate::store::tests::store;

const BOUNDS: Bounds = Bounds { slug_bytes: 1 << 30, content_bytes: 1 << 30 };

/// Blocks that are all different, by their number.
fn content(blocks: u32) -> Vec<u8> {
    (0..blocks).flat_map(|number| number.to_le_bytes().repeat(128)).collect()
}

/// Makes a slug, and has something happen before its end.
fn make(content: &[u8], store: &Store, earlier: Option<&Earlier>, bounds: Bounds, before_end: impl Fn()) -> io::Result<Stored> {
    let (output, end) = std::thread::scope(|scope| {
        let mut gzip = Gzip::new(scope, NonZero::new(2).unwrap(), earlier, Output::new(store, earlier, bounds)?);
        gzip.write_all(content)?;
        gzip.finish()
    })?;
    before_end();
    output.finish(&end)
}

/// Makes a slug without any earlier one.
fn make_first(content: &[u8], store: &Store) -> (Stored, Earlier) {
    let stored = make(content, store, None, BOUNDS, || ()).unwrap();
    let slug = File::open(store.path_of(&stored.digest)).unwrap();
    let earlier = Earlier::new(stored.digest, slug, stored.notes.clone());
    (stored, earlier)
}

/// Makes a slug with an earlier one and compares it, and what is stored of it, with one that is made without.
fn assert_right(case: &str, content: &[u8], store: &Store, earlier: &Earlier, before_end: impl Fn()) {
    let again = make(content, store, Some(earlier), BOUNDS, before_end).unwrap();
    let (_other_dir, other) = super::super::super::store::tests::store();
    let (right, _) = make_first(content, &other);
    let numbers = |stored: &Stored| (stored.digest, stored.content_digest, stored.size_bytes, stored.content_bytes);
    assert_eq!(numbers(&again), numbers(&right), "{case}");
    let bytes = |store: &Store| fs::read(store.path_of(&right.digest)).unwrap();
    assert!(bytes(store) == bytes(&other), "{case}");
    assert_eq!(bytes(store).len() as u64, again.size_bytes, "{case}");
}

#[test]
fn the_same_slug_is_made_again_if_it_is_gone() {
    let (_dir, store) = store();
    let content = content(4000);
    let (first, earlier) = make_first(&content, &store);
    assert_right("there", &content, &store, &earlier, || ());
    assert_right("gone", &content, &store, &earlier, || fs::remove_file(store.path_of(&first.digest)).unwrap());
}

#[test]
fn a_slug_may_end_where_a_run_of_the_earlier_one_does() {
    let (_dir, store) = store();
    let content = content(4000);
    let (first, earlier) = make_first(&content, &store);
    let mut chunk = Chunk::new();
    let (first_chunk, is_whole) = chunk.fill(&content);
    assert!(is_whole && first.notes.len() > 5);
    assert_right("shorter", &content[..first_chunk], &store, &earlier, || ());
}

#[test]
fn a_slug_that_is_damaged_in_the_store_is_mended() {
    let content = content(4000);
    for (case, at) in [("header", 3), ("run", 5000), ("end", -3), ("length", 0)] {
        let (_dir, store) = store();
        let (first, earlier) = make_first(&content, &store);
        let path = store.path_of(&first.digest);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        match at {
            0 => file.set_len(first.size_bytes - 1).unwrap(),
            at => {
                let at = first.size_bytes.checked_add_signed(at).filter(|at| *at < first.size_bytes).unwrap_or(at.unsigned_abs());
                let mut byte = [0];
                file.read_exact_at(&mut byte, at).unwrap();
                file.write_all_at(&[byte[0] ^ 1], at).unwrap();
            }
        }
        assert_right(case, &content, &store, &earlier, || ());
    }
}

#[test]
fn all_of_a_slug_counts() {
    let (_dir, store) = store();
    let content = content(400);
    let (first, earlier) = make_first(&content, &store);
    for earlier in [None, Some(&earlier)] {
        let within = |slug_bytes, content_bytes| {
            make(&content, &store, earlier, Bounds { slug_bytes, content_bytes }, || ())
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        assert_eq!(within(first.size_bytes, first.content_bytes), Ok(()));
        assert!(within(first.size_bytes - 1, first.content_bytes).unwrap_err().contains("the slug is larger"));
        assert!(within(first.size_bytes, first.content_bytes - 1).unwrap_err().contains("the slug unpacks to more"));
    }
    let mut back = Vec::new();
    flate2::read::GzDecoder::new(File::open(store.path_of(&first.digest)).unwrap()).read_to_end(&mut back).unwrap();
    assert!(back == content);
}
