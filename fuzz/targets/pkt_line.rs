//! Length prefixes: whatever is accepted is within bounds.

use hoist::git::pkt_line::{MAX_DATA, Prefix, decode_prefix};

pub(crate) fn run(bytes: &[u8]) {
    let Some(digits) = bytes.first_chunk::<4>() else { return };
    if let Ok(Prefix::Data(size)) = decode_prefix(*digits) {
        assert!(size <= MAX_DATA);
        let text = std::str::from_utf8(digits).expect("digits are ASCII");
        assert_eq!(usize::from_str_radix(text, 16), Ok(size + 4));
    }
}
