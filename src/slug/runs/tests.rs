use super::*;

fn runs() -> Vec<Run> {
    [&b"one"[..], b"", b"three"].iter().zip(0..).map(|(run, key)| Run::of(Digest::from_bytes([key; 32]), run)).collect()
}

#[test]
fn what_is_noted_comes_back() {
    let slug = Digest::from_bytes([9; 32]);
    assert_eq!(decode(&encode(&slug, &runs())), Some((slug, runs())));
    assert_eq!(decode(&encode(&slug, &[])), Some((slug, Vec::new())));
}

#[test]
fn whatever_is_damaged_or_anothers_is_nothing() {
    let noted = encode(&Digest::from_bytes([9; 32]), &runs());
    for length in 0..noted.len() {
        assert_eq!(decode(&noted[..length]), None, "the first {length} bytes");
    }
    for at in 0..noted.len() {
        let mut damaged = noted.clone();
        damaged[at] ^= 1;
        assert_eq!(decode(&damaged), None, "byte {at}");
    }
    let other = [b"runs 1, zlib 1.3\n", &noted[head().len()..noted.len() - 32]].concat();
    assert_eq!(decode(&[&other[..], &Sha256::digest(&other)].concat()), None);
}

#[test]
fn runs_are_taken_over_only_if_they_are_whole() {
    let slug = |content: &[u8]| {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, content).unwrap();
        Earlier::new(file, &runs(), 4)
    };
    let take = |earlier: &Earlier, key| {
        let mut run = b"of before".to_vec();
        earlier.take_over(&Digest::from_bytes([key; 32]), &mut run).then_some(run)
    };
    let whole = slug(b"headonethree");
    assert_eq!([0, 1, 2, 3].map(|key| take(&whole, key)), [Some(b"one".to_vec()), Some(vec![]), Some(b"three".to_vec()), None]);
    let damaged = slug(b"headonXthre");
    assert_eq!([0, 1, 2].map(|key| take(&damaged, key)), [None, Some(vec![]), None]);
}
