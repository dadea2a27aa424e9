use std::io::{Read as _, Write as _};

use sha2::{Digest as _, Sha256};

use super::super::chunk::MAX_BYTES;
use super::super::runs::Note;
use super::*;
use crate::model::Digest;

fn compressed(content: &[u8], threads: usize, piece_bytes: usize) -> Vec<u8> {
    std::thread::scope(|scope| {
        let mut gzip = Gzip::new(scope, NonZero::new(threads).unwrap(), None, Member::default());
        content.chunks(piece_bytes).for_each(|piece| gzip.write_all(piece).unwrap());
        let (member, trailer) = gzip.finish().unwrap();
        [&HEADER[..], &member.runs.concat(), &trailer].concat()
    })
}

/// What becomes of runs.
#[derive(Default)]
struct Member {
    runs: Vec<Vec<u8>>,
    notes: Vec<Note>,
    in_their_places: usize,
}

impl Sink for Member {
    fn take(&mut self, chunk: &Chunk, run: Run) -> io::Result<()> {
        self.runs.push(chunk.run().to_vec());
        self.notes.push(Note { run, content: Sha256::new() });
        self.in_their_places += usize::from(chunk.is_in_its_place());
        Ok(())
    }
}

/// Content of many sorts: runs, text that comes again, and noise.
fn content(size_bytes: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..size_bytes).map(|at| if at % 3000 < 1000 { noise() } else { b"some text, again and again\n"[at % 27] }).collect()
}

#[test]
fn it_is_one_member_and_comes_back() {
    for size_bytes in [0, 1, MAX_BYTES - 1, MAX_BYTES, MAX_BYTES + 1, 20 * MAX_BYTES + 12_345] {
        let content = content(size_bytes);
        let gzip = compressed(&content, 2, 100_000);
        // This reader stops after the first member, and checks the sums.
        let mut decoder = flate2::read::GzDecoder::new(&gzip[..]);
        let mut back = Vec::new();
        decoder.read_to_end(&mut back).unwrap();
        assert!(back == content, "{size_bytes} bytes");
        assert!(decoder.into_inner().is_empty());
    }
}

#[test]
fn content_without_any_pattern_grows_little() {
    let noise: Vec<u8> =
        content(36 * MAX_BYTES).into_iter().enumerate().filter(|(at, _)| at % 3000 < 1000).map(|(_, byte)| byte).collect();
    let gzip = compressed(&noise, 3, noise.len());
    assert!(gzip.len() < noise.len() + noise.len() / 100);
    let mut back = Vec::new();
    flate2::read::GzDecoder::new(&gzip[..]).read_to_end(&mut back).unwrap();
    assert!(back == noise);
}

#[test]
fn neither_threads_nor_pieces_show() {
    let content = content(28 * MAX_BYTES + 1);
    let one = compressed(&content, 1, content.len());
    for (threads, piece_bytes) in [(1, 999), (2, 100_000), (3, MAX_BYTES), (8, 1 << 22)] {
        assert!(compressed(&content, threads, piece_bytes) == one, "{threads} threads");
    }
}

#[test]
fn runs_of_an_earlier_slug_are_taken_over() {
    let content = content(20 * MAX_BYTES);
    let pack = |earlier: Option<&Earlier>| {
        std::thread::scope(|scope| {
            let mut gzip = Gzip::new(scope, NonZero::new(2).unwrap(), earlier, Member::default());
            gzip.write_all(&content).unwrap();
            gzip.finish().unwrap()
        })
    };
    let (first, trailer) = pack(None);
    let runs = first.notes.len();
    assert!(runs > 20 && first.in_their_places == 0);
    // Nothing but what is taken over can look like this.
    let marked = |note: &Note| Note { run: Run::of(note.run.key(), b"taken over ", note.run.checksum()), content: Sha256::new() };
    let mut slug = tempfile::tempfile().unwrap();
    slug.write_all(&HEADER).unwrap();
    slug.write_all(&b"taken over ".repeat(runs)).unwrap();
    let mut notes: Vec<_> = first.notes.iter().map(marked).collect();
    let earlier = |notes: &[Note]| Earlier::new(Digest::from_bytes([0; 32]), slug.try_clone().unwrap(), notes.to_vec());
    let (again, again_trailer) = pack(Some(&earlier(&notes)));
    assert!(again.runs.iter().all(|run| run == b"taken over "));
    assert_eq!((again.in_their_places, again_trailer), (runs, trailer), "the checksum is that of the content");

    notes.swap(3, 4);
    let (moved, _) = pack(Some(&earlier(&notes)));
    assert!(moved.runs.iter().all(|run| run == b"taken over "));
    assert_eq!(moved.in_their_places, runs - 2);
}

#[test]
fn a_failing_output_ends_it() {
    struct Full(usize);
    impl Sink for Full {
        fn take(&mut self, chunk: &Chunk, _: Run) -> io::Result<()> {
            self.0 = self.0.checked_sub(chunk.run().len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(())
        }
    }
    let content = content(80 * MAX_BYTES);
    let written = std::thread::scope(|scope| {
        let mut gzip = Gzip::new(scope, NonZero::new(2).unwrap(), None, Full(MAX_BYTES));
        content.chunks(1000).position(|piece| gzip.write_all(piece).is_err())
    });
    assert!(written.is_some_and(|pieces| pieces < content.len() / 1000 / 2), "it stops early: {written:?}");
}
