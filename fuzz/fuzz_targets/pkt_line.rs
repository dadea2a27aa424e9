//! Length prefixes: whatever is accepted is within bounds.
#![no_main]

use hoist::git::pkt_line::{MAX_DATA, Prefix, decode_prefix};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|digits: [u8; 4]| {
    if let Ok(Prefix::Data(size)) = decode_prefix(digits) {
        assert!((1..=MAX_DATA).contains(&size));
        let text = std::str::from_utf8(&digits).expect("digits are ASCII");
        assert_eq!(usize::from_str_radix(text, 16), Ok(size + 4));
    }
});
