//! Which part of a file a request asks for (RFC 9110, section 14).

use std::ops::Range;

/// What a `Range` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ByteRange {
    /// All of it. So it is also with what is not understood, and with several parts at once, which no client of images or of
    /// Git LFS asks for: RFC 9110 leaves both to the server.
    All,
    Part(Range<u64>),
    /// Nothing that there is.
    Nothing,
}

/// Reads `bytes=FIRST-LAST`, `bytes=FIRST-` and `bytes=-LENGTH`.
#[must_use]
pub fn parse_byte_range(header: Option<&str>, size_bytes: u64) -> ByteRange {
    let part = header.and_then(|header| header.strip_prefix("bytes=")).and_then(|set| set.split_once('-'));
    let Some((first, last)) = part else { return ByteRange::All };
    let range = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size_bytes),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..size_bytes,
        (Err(_), Ok(length)) if first.trim().is_empty() => size_bytes.saturating_sub(length)..size_bytes,
        _ => return ByteRange::All,
    };
    if range.is_empty() { ByteRange::Nothing } else { ByteRange::Part(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_in_the_standard() {
        let check = |header: &str, asked: ByteRange| assert_eq!(parse_byte_range(Some(header), 10), asked, "{header}");
        assert_eq!(parse_byte_range(None, 10), ByteRange::All);
        check("bytes=0-3", ByteRange::Part(0..4));
        check("bytes=4-", ByteRange::Part(4..10));
        check("bytes=4-99", ByteRange::Part(4..10));
        check("bytes=-3", ByteRange::Part(7..10));
        check("bytes=-99", ByteRange::Part(0..10));
        for nothing in ["bytes=10-", "bytes=10-11", "bytes=-0"] {
            check(nothing, ByteRange::Nothing);
        }
        for all in ["", "bytes", "bytes=", "bytes=-", "lines=0-1", "bytes=3-1", "bytes=0-1,3-4", "bytes=a-b", "bytes=1-b"] {
            check(all, ByteRange::All);
        }
        assert_eq!(parse_byte_range(Some("bytes=0-18446744073709551615"), 10), ByteRange::Part(0..10));
        assert_eq!(parse_byte_range(Some("bytes=0-"), 0), ByteRange::Nothing);
    }
}
