//! What goes over a process's standard streams: frames of a kind, a length and so many bytes.
//!
//! Into the container go one [`Kind::Call`], then the request's input, if it has any, and its end. Out of it come one
//! [`Kind::Ready`] with how often the container has run into a limit so far, pieces of output and, at last, one
//! [`Kind::Reply`]; while a command runs, also [`Kind::Unlinked`] with the disk space of deleted files.
//!
//! Who closes the way in calls the request off. That has to be seen also while a command does not read its input, and what is
//! told of the disk also while nobody reads a command's output. So no more than [`WINDOW`] pieces of either are on their way:
//! each is answered by a [`Kind::Taken`].

use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::engine::sandbox::cgroup::Events;
use crate::engine::sandbox::protocol::{MAX_LINE_BYTES, Reply, Request};

/// What of an input or output is put into one frame.
pub(super) const PIECE_BYTES: usize = 32 * 1024;

/// Pieces of input, and of a command's output, that are sent and not yet taken.
pub(super) const WINDOW: usize = 16;

/// A kind, and four bytes of length, the highest first.
const HEADER_BYTES: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Call = 1,
    Input = 2,
    InputEnd = 3,
    Stdout = 4,
    Stderr = 5,
    Reply = 6,
    Taken = 7,
    Ready = 8,
    Unlinked = 9,
}

/// What the first process of a container is to set up.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) name: String,
    /// The text of the host's CA bundle.
    pub(super) ca_bundle: Option<String>,
    pub(super) filter: Option<Filter>,
    pub(super) max_file_bytes: u64,
}

/// Rules to load into the container's network, and the command of `nft` that does.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Filter {
    pub(super) nft: Vec<String>,
    pub(super) rules: String,
}

/// A request, to what answers it beside the first process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) request: Request,
    pub(super) input: Input,
    pub(super) max_file_bytes: u64,
}

/// What becomes of a request's input and output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Input {
    /// A command's two outputs, apart; no input.
    None,
    /// A command's input, and both its outputs as one.
    Command,
    /// A command's terminal.
    Terminal,
    /// A tar that goes in.
    Tar,
    /// A tar that comes out.
    TarOut,
}

/// What came of a request, and how often the container had run into a limit by then.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) reply: Reply,
    pub(super) events: Events,
}

fn kind(byte: u8) -> io::Result<Kind> {
    use Kind::{Call, Input, InputEnd, Ready, Reply, Stderr, Stdout, Taken, Unlinked};
    [Call, Input, InputEnd, Stdout, Stderr, Reply, Taken, Ready, Unlinked]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{byte} is no kind of frame")))
}

/// A frame's header, from a kind and the length of what follows.
pub(super) fn header(kind: Kind, length: usize) -> io::Result<[u8; HEADER_BYTES]> {
    let fits = u32::try_from(length).ok().filter(|length| u64::from(*length) <= MAX_LINE_BYTES);
    let [a, b, c, d] = fits.ok_or_else(|| io::Error::other("too large for a frame"))?.to_be_bytes();
    Ok([kind as u8, a, b, c, d])
}

fn parse_header(header: [u8; HEADER_BYTES]) -> io::Result<(Kind, usize)> {
    let [byte, a, b, c, d] = header;
    let length = u32::from_be_bytes([a, b, c, d]);
    if u64::from(length) > MAX_LINE_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes is too large")));
    }
    Ok((kind(byte)?, usize::try_from(length).map_err(io::Error::other)?))
}

/// Takes the first frame of `buffer`, if all of it is there.
pub(super) fn take(buffer: &mut BytesMut) -> io::Result<Option<(Kind, Bytes)>> {
    let Some(header) = buffer.first_chunk() else { return Ok(None) };
    let (kind, length) = parse_header(*header)?;
    if buffer.len() < HEADER_BYTES + length {
        return Ok(None);
    }
    buffer.advance(HEADER_BYTES);
    Ok(Some((kind, buffer.split_to(length).freeze())))
}

/// Reads a frame, blockingly; nothing at the end.
pub(super) fn read(mut from: impl Read) -> io::Result<Option<(Kind, Vec<u8>)>> {
    let mut header = [0; HEADER_BYTES];
    match from.read_exact(&mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let (kind, length) = parse_header(header)?;
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(Some((kind, bytes)))
}

/// Writes a frame, blockingly.
pub(super) fn write(mut to: impl Write, kind: Kind, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&header(kind, bytes.len())?)?;
    to.write_all(bytes)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written_in_whatever_pieces_they_come() {
        let mut bytes = Vec::new();
        write(&mut bytes, Kind::Stdout, b"text").unwrap();
        write(&mut bytes, Kind::InputEnd, b"").unwrap();
        let mut buffer = BytesMut::new();
        let mut frames = Vec::new();
        for byte in &bytes {
            buffer.extend_from_slice(&[*byte]);
            frames.extend(take(&mut buffer).unwrap());
        }
        assert_eq!(frames, [(Kind::Stdout, "text".into()), (Kind::InputEnd, Bytes::new())]);
        let mut from = &bytes[..];
        assert_eq!(read(&mut from).unwrap(), Some((Kind::Stdout, b"text".to_vec())));
        assert_eq!(read(&mut from).unwrap(), Some((Kind::InputEnd, Vec::new())));
        assert_eq!(read(&mut from).unwrap(), None);
    }

    #[test]
    fn what_is_no_frame_is_refused_before_it_is_read() {
        for wrong in [[10, 0, 0, 0, 0], [4, 0xff, 0, 0, 0]] {
            assert!(take(&mut BytesMut::from(&wrong[..])).is_err() && read(&wrong[..]).is_err(), "{wrong:?}");
        }
        assert!(header(Kind::Stdout, usize::try_from(MAX_LINE_BYTES).unwrap() + 1).is_err());
    }
}
