//! pkt-line and side-band framing (gitprotocol-common(5), gitprotocol-pack(5)): bytes in, values out, no I/O.

use gix_packetline::blocking_io::encode;
use gix_packetline::decode::{PacketLineOrWantedSize, hex_prefix};
use gix_packetline::{Channel, PacketLineRef};

use super::ProtocolError;

/// Most bytes in one pkt-line, its length prefix not counted.
pub const MAX_DATA: usize = 65_516;

/// Most bytes in one side-band packet: the band takes one of [`MAX_DATA`].
pub const MAX_BAND: usize = MAX_DATA - 1;

/// The flush packet.
pub const FLUSH: &[u8] = b"0000";

/// The delimiter packet.
pub const DELIMITER: &[u8] = b"0001";

/// An empty packet on band 1: says nothing, keeps the connection alive. What git itself sends.
pub const KEEP_ALIVE: &[u8] = b"0005\x01";

/// What the four digits in front of a pkt-line announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// A flush packet: the end of a section.
    Flush,
    /// A delimiter packet, which protocol v2 has between the sections of one message.
    Delimiter,
    /// A line of this many bytes.
    Data(usize),
}

/// Reads a length prefix.
pub fn decode_prefix(digits: [u8; 4]) -> Result<Prefix, ProtocolError> {
    let bad = || ProtocolError::PktLine(digits.escape_ascii().to_string());
    // An empty line, as git sends an empty push option.
    if digits == *b"0004" {
        return Ok(Prefix::Data(0));
    }
    // gix takes the lengths below four that have no meaning for overlong lines.
    if digits == *b"0003" || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(bad());
    }
    match hex_prefix(&digits) {
        Ok(PacketLineOrWantedSize::Line(PacketLineRef::Flush)) => Ok(Prefix::Flush),
        Ok(PacketLineOrWantedSize::Line(PacketLineRef::Delimiter)) => Ok(Prefix::Delimiter),
        Ok(PacketLineOrWantedSize::Wanted(size)) if usize::from(size) <= MAX_DATA => Ok(Prefix::Data(size.into())),
        _ => Err(bad()),
    }
}

/// Appends one pkt-line.
///
/// # Panics
/// When `data` is empty or longer than [`MAX_DATA`]: a mistake of the caller, who knows what it sends.
pub(super) fn encode_line(out: &mut Vec<u8>, data: &[u8]) {
    encode::data_to_write(data, out).expect("the line has one to MAX_DATA bytes and a Vec takes all");
}

/// Appends `data` as packets of side-band 1, 2 or 3, as many as it takes; nothing for no data.
pub(super) fn encode_band(out: &mut Vec<u8>, band: Channel, data: &[u8]) {
    for piece in data.chunks(MAX_BAND) {
        encode::band_to_write(band, piece, &mut *out).expect("the piece has one to MAX_BAND bytes and a Vec takes all");
    }
}

/// An `ERR` line, which ends the conversation with a text that git shows as `remote error: …`.
pub(super) fn error_line(text: &str) -> Vec<u8> {
    let mut line = Vec::new();
    let text = &text.as_bytes()[..text.len().min(MAX_DATA - 4)];
    encode::error_to_write(text, &mut line).expect("the text was cut to fit");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        assert_eq!(decode_prefix(*b"0000"), Ok(Prefix::Flush));
        assert_eq!(decode_prefix(*b"0004"), Ok(Prefix::Data(0)));
        assert_eq!(decode_prefix(*b"0005"), Ok(Prefix::Data(1)));
        assert_eq!(decode_prefix(*b"fff0"), Ok(Prefix::Data(MAX_DATA)));
        assert_eq!(decode_prefix(*b"FFF0"), Ok(Prefix::Data(MAX_DATA)));
        assert_eq!(decode_prefix(*b"0001"), Ok(Prefix::Delimiter));
        for bad in [b"0002", b"0003", b"fff1", b"ffff", b"00-1", b"+005", b"GET "] {
            assert!(decode_prefix(*bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn bands_are_cut_to_fit() {
        let mut out = Vec::new();
        encode_band(&mut out, Channel::Progress, &vec![b'x'; MAX_BAND + 2]);
        assert_eq!(&out[..5], b"fff0\x02");
        assert_eq!(&out[4 + MAX_DATA..], b"0007\x02xx");
        out.clear();
        encode_band(&mut out, Channel::Progress, b"");
        assert!(out.is_empty());
    }

    #[test]
    fn errors_are_cut_to_fit() {
        assert_eq!(error_line("no"), b"000aERR no");
        assert_eq!(error_line(&"x".repeat(100_000)).len(), 4 + MAX_DATA);
    }
}
