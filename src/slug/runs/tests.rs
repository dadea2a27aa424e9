use std::io::Write as _;

use super::*;

fn notes() -> Vec<Note> {
    let mut content = Sha256::new();
    let note = |(run, key): (&[u8], u8)| {
        content.update([key; 100]);
        Note { run: Run::of(Key::from_bytes([key; 32]), run, 7), content: content.clone() }
    };
    [&b"one"[..], b"", b"three"].into_iter().zip(0..).map(note).collect()
}

fn slug() -> Digest {
    Digest::from_bytes([9; 32])
}

#[test]
fn what_is_noted_comes_back() {
    for notes in [notes(), Vec::new()] {
        let noted = encode(&slug(), &notes);
        let (slug_of_note, back) = decode(&noted).unwrap();
        assert_eq!((slug_of_note, encode(&slug(), &back)), (slug(), noted));
    }
}

#[test]
fn a_noted_hash_goes_on_where_it_was() {
    let (_, back) = decode(&encode(&slug(), &notes())).unwrap();
    let content = back[1].content.clone().chain_update([2; 100]);
    assert_eq!(content.finalize(), Sha256::digest([[0; 100], [1; 100], [2; 100]].concat()));
}

#[test]
fn whatever_is_damaged_or_anothers_is_nothing() {
    let noted = encode(&slug(), &notes());
    for length in 0..noted.len() {
        assert!(decode(&noted[..length]).is_none(), "the first {length} bytes");
    }
    for at in 0..noted.len() {
        let mut damaged = noted.clone();
        damaged[at] ^= 1;
        assert!(decode(&damaged).is_none(), "byte {at}");
    }
    let other = [b"runs 3, zlib 1.3\n", &noted[head().len()..noted.len() - 32]].concat();
    assert!(decode(&[&other[..], &Sha256::digest(&other)].concat()).is_none());
}

fn earlier(runs: &[u8]) -> Earlier {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&HEADER).unwrap();
    file.write_all(runs).unwrap();
    Earlier::new(slug(), file, notes())
}

#[test]
fn runs_are_taken_over_only_if_they_are_whole() {
    let take = |earlier: &Earlier, key| {
        let mut run = b"of before".to_vec();
        earlier.take_over(&Key::from_bytes([key; 32]), 0, &mut run).map(|number| (number, run))
    };
    let whole = earlier(b"onethree");
    let there = [0, 1, 2, 3].map(|key| take(&whole, key));
    assert_eq!(there, [Some((0, b"one".to_vec())), Some((1, vec![])), Some((2, b"three".to_vec())), None]);
    let damaged = earlier(b"onXthre");
    assert_eq!([0, 1, 2].map(|key| take(&damaged, key)), [None, Some((1, vec![])), None]);
}

#[test]
fn of_runs_that_are_alike_the_one_in_its_place_is_taken() {
    let mut notes = notes();
    notes[0] = notes[2].clone();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&HEADER).unwrap();
    file.write_all(b"threethree").unwrap();
    let earlier = Earlier::new(slug(), file, notes);
    let take = |number| earlier.take_over(&Key::from_bytes([2; 32]), number, &mut Vec::new());
    assert_eq!([0, 1, 2, 3].map(take), [Some(0), Some(2), Some(2), Some(2)]);
}

#[test]
fn the_first_runs_are_copied_or_it_is_an_error() {
    let copy = |slug: &Earlier, runs| {
        let mut copied = Vec::new();
        slug.copy_to(&mut copied, runs).map(|()| copied)
    };
    let whole = earlier(b"onethree");
    assert_eq!([0, 1, 2, 3].map(|runs| copy(&whole, runs).unwrap()), [&b""[..], b"one", b"one", b"onethree"]);
    assert!(copy(&earlier(b"onethre"), 3).is_err());
}
