//! Bytes of a pack on their way into side-band packets.

use crate::git::pkt_line::MAX_DATA;

/// What a packet of the older, smaller side-band may hold, its length included.
const SMALL_PACKET: usize = 1000;

/// How a pack is put into packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Band {
    /// Not at all: the client does not know side-bands.
    None,
    /// `side-band`
    Small,
    /// `side-band-64k`, and protocol v2
    Large,
}

impl Band {
    /// Most bytes of data in a packet.
    fn capacity(self) -> usize {
        match self {
            Self::None => usize::MAX,
            Self::Small => SMALL_PACKET - 5,
            Self::Large => MAX_DATA - 1,
        }
    }
}

/// Packets of band 1, as they are filled.
#[derive(Debug)]
pub(super) struct Packets {
    band: Band,
    bytes: Vec<u8>,
    /// Where the packet begins that is being filled.
    open_at: Option<usize>,
}

impl Packets {
    pub(super) fn new(band: Band, buffer: Vec<u8>) -> Self {
        let mut bytes = buffer;
        bytes.clear();
        Self { band, bytes, open_at: None }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn push(&mut self, mut data: &[u8]) {
        if self.band == Band::None {
            self.bytes.extend_from_slice(data);
            return;
        }
        while !data.is_empty() {
            let start = *self.open_at.get_or_insert_with(|| {
                self.bytes.extend_from_slice(b"0000\x01");
                self.bytes.len() - 5
            });
            let room = self.band.capacity() - (self.bytes.len() - start - 5);
            let (now, later) = data.split_at(room.min(data.len()));
            self.bytes.extend_from_slice(now);
            data = later;
            if now.len() == room {
                self.finish();
            }
        }
    }

    /// Ends the packet that is being filled.
    pub(super) fn finish(&mut self) {
        if let Some(start) = self.open_at.take() {
            let length = format!("{:04x}", self.bytes.len() - start);
            self.bytes[start..start + 4].copy_from_slice(length.as_bytes());
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(band: Band, pieces: &[&[u8]]) -> Vec<u8> {
        let mut packets = Packets::new(band, vec![1, 2, 3]);
        for piece in pieces {
            packets.push(piece);
        }
        packets.finish();
        packets.into_bytes()
    }

    #[test]
    fn packets_are_filled_and_cut() {
        assert_eq!(packets(Band::None, &[b"ab", b"c"]), b"abc");
        assert_eq!(packets(Band::Large, &[b"ab", b"", b"c"]), b"0008\x01abc");
        assert_eq!(packets(Band::Large, &[]), b"");
        let cut = packets(Band::Small, &[&[b'x'; 990], b"yyyyyzz"]);
        assert!(cut.starts_with(b"03e8\x01x") && cut.ends_with(b"yyyyy0007\x01zz"), "{}", cut.escape_ascii());
        let cut = packets(Band::Large, &[&vec![b'x'; MAX_DATA - 1]]);
        assert!(cut.starts_with(b"fff0\x01x") && cut.len() == 4 + MAX_DATA);
    }
}
