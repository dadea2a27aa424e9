use std::path::Path;

use super::*;
use crate::git::upload_pack::handmade::{Handmade, Object, blob, index};
use crate::git::upload_pack::packets::Band;

const MANNERS: [Manner; 2] = [Manner { ofs_delta: true, thin: false }, Manner { ofs_delta: false, thin: false }];

/// A pack of some objects, made in pieces of a size.
fn write(dir: &Path, objects: &[&Object], manner: Manner, piece: usize) -> Vec<u8> {
    let packs = Packs::open(dir).unwrap();
    let mut chosen = Bits::none(packs.end());
    for object in objects {
        chosen.insert(packs.get(&object.id()).unwrap());
    }
    let had = Bits::none(packs.end());
    let selection = Selection { objects: Objects::These(chosen), had };
    let mut writer = Writer::new(packs, selection, manner).unwrap();
    writer.piece = piece;
    let mut whole = Vec::new();
    loop {
        let mut packets = Packets::new(Band::None, Vec::new());
        let has_more = writer.write_piece(&mut packets).unwrap();
        whole.extend(packets.into_bytes());
        if !has_more {
            return whole;
        }
    }
}

/// Has git index a pack.
#[track_caller]
fn check(pack: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("written.pack");
    std::fs::write(&path, pack).unwrap();
    index(&path);
}

#[test]
fn pieces_of_any_size_make_the_same_pack() {
    let dir = tempfile::tempdir().unwrap();
    let mut pack = Handmade::default();
    let objects: Vec<_> = (0..20).map(|number| blob(&format!("number {number}"))).collect();
    let at = pack.offset();
    pack.whole(&objects[0]);
    for object in &objects[1..] {
        pack.delta(object, &objects[0], at);
    }
    pack.save(dir.path());
    let objects: Vec<_> = objects.iter().collect();
    for manner in MANNERS {
        let at_once = write(dir.path(), &objects, manner, PIECE);
        check(&at_once);
        for piece in 1..200 {
            assert!(write(dir.path(), &objects, manner, piece) == at_once, "{piece}");
        }
    }
}

/// An object is there both whole, as the base of another one, and as a delta upon that.
#[test]
fn deltas_do_not_build_upon_one_another_in_a_circle() {
    let (one, other) = (blob("one"), blob("another"));
    let mut has_met_the_delta = false;
    // Which of the two an index gives depends upon what else is in it.
    for fillers in 0..12 {
        let dir = tempfile::tempdir().unwrap();
        let mut pack = Handmade::default();
        for filler in 0..fillers {
            pack.whole(&blob(&format!("filler {filler}")));
        }
        let whole = pack.offset();
        pack.whole(&one);
        let middle = pack.offset();
        pack.delta(&other, &one, whole);
        let end = pack.offset();
        pack.delta(&one, &other, middle);
        pack.save(dir.path());
        let packs = Packs::open(dir.path()).unwrap();
        has_met_the_delta |= packs.offset(packs.get(&one.id()).unwrap()) == end;
        for manner in MANNERS {
            check(&write(dir.path(), &[&one, &other], manner, PIECE));
        }
    }
    assert!(has_met_the_delta);
}
