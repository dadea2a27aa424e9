use std::io::Read as _;

use super::*;

/// Blocks that are all different, by their number.
fn blocks(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    numbers.into_iter().flat_map(|number| number.to_le_bytes().repeat(BLOCK_BYTES / 4)).collect()
}

/// Cuts content that comes in pieces of a size.
fn cut(mut content: &[u8], piece_bytes: usize) -> Vec<Vec<u8>> {
    let (mut chunks, mut chunk) = (Vec::new(), Chunk::new());
    while !content.is_empty() {
        let (taken, is_full) = chunk.fill(&content[..content.len().min(piece_bytes)]);
        content = &content[taken..];
        if is_full || content.is_empty() {
            chunks.push(chunk.content().to_vec());
            let mut next = Chunk::new();
            next.start_after(&chunk);
            chunk = next;
        }
    }
    chunks
}

#[test]
fn chunks_are_the_content_whatever_pieces_it_comes_in() {
    let content = [blocks(0..16_000), vec![1; 700]].concat();
    let chunks = cut(&content, content.len());
    assert!(chunks.concat() == content);
    assert!(chunks.len() > 10, "{} chunks", chunks.len());
    for chunk in &chunks[..chunks.len() - 1] {
        assert!((MIN_BYTES..=MAX_BYTES).contains(&chunk.len()) && chunk.len().is_multiple_of(BLOCK_BYTES));
    }
    for piece_bytes in [1, 100, 512, 513, 100_000] {
        assert!(cut(&content, piece_bytes) == chunks, "pieces of {piece_bytes}");
    }
}

#[test]
fn content_without_a_cut_has_chunks_of_the_largest_size() {
    let sizes = cut(&vec![0; 3 * MAX_BYTES + 1], 10_000).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes, [MAX_BYTES, MAX_BYTES, MAX_BYTES, 1]);
}

#[test]
fn a_change_moves_few_cuts() {
    let before = cut(&blocks(0..20_000), 50_000);
    for (case, changed) in [
        ("inserted", blocks((0..9000).chain(100_000..100_003).chain(9000..20_000))),
        ("removed", blocks((0..9000).chain(9003..20_000))),
        ("changed", blocks((0..9000).chain(100_000..100_003).chain(9003..20_000))),
    ] {
        let others = cut(&changed, 50_000).iter().filter(|chunk| !before.contains(chunk)).count();
        assert!((1..=5).contains(&others), "{case}: {others} of {}", before.len());
    }
}

#[test]
fn a_run_is_what_its_key_says_and_comes_back() {
    let mut first = Chunk::new();
    first.fill(&blocks(0..30));
    let mut second = Chunk::new();
    second.start_after(&first);
    second.fill(&blocks(10..40));
    let run = second.compress(None).unwrap();
    let made = second.run().to_vec();
    assert!(made.len() < 1000, "it has the chunk before for a dictionary: {}", made.len());
    assert_eq!(run, Run::of(second.key, &made, crc32fast::hash(second.content())));

    // The same content behind another chunk is another run.
    let mut alone = Chunk::new();
    alone.fill(&blocks(10..40));
    assert_ne!(alone.compress(None).unwrap(), run);

    let mut back = Vec::new();
    flate2::read::DeflateDecoder::new(&[alone.run(), &[3, 0]].concat()[..]).read_to_end(&mut back).unwrap();
    assert!(back == blocks(10..40));
}

#[test]
fn the_compressor_is_the_one_that_is_named() {
    let lock = include_str!("../../../Cargo.lock");
    let named = COMPRESSOR.split_once(' ').map(|(name, version)| format!("name = \"{name}\"\nversion = \"{version}\"\n"));
    assert!(lock.contains(&named.unwrap()), "Cargo.lock has another version than {COMPRESSOR}: put its name there");
}
