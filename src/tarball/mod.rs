//! Takes strangers' tars apart, entry by entry. Whoever reads one decides what its paths and links may be.
//!
//! `layers` makes one stream of an image's layers.
//!
//! The `tar` crate reads the header's fields. Its iterator is not used: it takes a long name of any length into memory
//! and an archive cut off between two entries for a whole one.

pub mod layers;

use std::borrow::Cow;
use std::io::{self, BufRead, Read as _};

use tar::{EntryType, Header};

/// A tar is made of blocks of this size.
pub const BLOCK_BYTES: usize = 512;

/// Linux's `PATH_MAX`: a longer path cannot come from a folder, nor be unpacked to one.
pub const MAX_PATH_BYTES: usize = 4096;

/// Most bytes of a PAX header. It may carry extended attributes, each of up to 64 KiB, which are passed over.
const MAX_PAX_BYTES: u64 = 1024 * 1024;

/// What a tar says about one path. A file's content, padded to whole blocks ([`BLOCK_BYTES`]), follows it.
#[derive(Debug, PartialEq, Eq)]
pub struct RawEntry {
    /// As it stands in the tar: anything.
    pub path: Vec<u8>,
    pub kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    Folder,
    File {
        size_bytes: u64,
        executable: bool,
    },
    Symlink {
        target: Vec<u8>,
    },
    HardLink {
        target: Vec<u8>,
        executable: bool,
    },
    /// A device or a pipe.
    Special,
}

/// Looks at a tar's files while it passes by.
pub trait Observer {
    /// Hears of a file, and tells whether to be given its content: all of it at once, so that only small ones are to be
    /// wanted.
    fn file(&mut self, path: &[u8], size_bytes: u64) -> bool;

    /// Is given the content of a file that it wanted.
    fn content(&mut self, path: &[u8], content: &[u8]);
}

/// Wants nothing.
impl Observer for () {
    fn file(&mut self, _: &[u8], _: u64) -> bool {
        false
    }

    fn content(&mut self, _: &[u8], _: &[u8]) {}
}

/// What headers in front of an entry's own say about it.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

/// Reads up to the next entry's content; `None` at the mark that ends the tar.
///
/// Fails with `UnexpectedEof` when the tar ends before that mark, with `InvalidData` when it is none or has what is not
/// understood, and as the input fails.
pub fn read_entry(input: &mut impl BufRead) -> io::Result<Option<RawEntry>> {
    let mut extended = Extended::default();
    loop {
        let Some(header) = read_header(input)? else {
            return Ok(None);
        };
        let size_bytes = header.entry_size()?;
        match header.entry_type() {
            EntryType::GNULongName => extended.path = Some(read_long_name(input, size_bytes)?),
            EntryType::GNULongLink => extended.link = Some(read_long_name(input, size_bytes)?),
            EntryType::XHeader => read_pax(&read_small(input, size_bytes, MAX_PAX_BYTES)?, &mut extended)?,
            // Comments, as `git archive` writes one.
            EntryType::XGlobalHeader => drop(read_small(input, size_bytes, MAX_PAX_BYTES)?),
            _ => return own_header(&header, size_bytes, extended).map(Some),
        }
    }
}

fn own_header(header: &Header, size_bytes: u64, extended: Extended) -> io::Result<RawEntry> {
    let path = extended.path.unwrap_or_else(|| header.path_bytes().into_owned());
    let target = extended.link.or_else(|| header.link_name_bytes().map(Cow::into_owned)).unwrap_or_default();
    let executable = header.mode()? & 0o111 != 0;
    let kind = match header.entry_type() {
        EntryType::Regular | EntryType::Continuous => Kind::File { size_bytes, executable },
        EntryType::Directory => Kind::Folder,
        EntryType::Symlink => Kind::Symlink { target },
        EntryType::Link => Kind::HardLink { target, executable },
        EntryType::Char | EntryType::Block | EntryType::Fifo => Kind::Special,
        EntryType::GNUSparse => return Err(invalid("sparse files are not understood")),
        _ => return Err(invalid("an entry is of an unknown type")),
    };
    // Readers disagree on whether such content is there, so that one tar would be two things.
    if size_bytes > 0 && !matches!(kind, Kind::File { .. }) {
        return Err(invalid("an entry that is no file has content"));
    }
    Ok(RawEntry { path, kind })
}

fn read_header(input: &mut impl BufRead) -> io::Result<Option<Header>> {
    let mut header = Header::new_old();
    input.read_exact(header.as_mut_bytes())?;
    let bytes = header.as_bytes();
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    // The sum counts its own field, bytes 148 to 155, as spaces.
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    if header.cksum()? != sum(&bytes[..148]) + 8 * u32::from(b' ') + sum(&bytes[156..]) {
        return Err(invalid("a header's checksum is wrong"));
    }
    Ok(Some(header))
}

fn read_long_name(input: &mut impl BufRead, size_bytes: u64) -> io::Result<Vec<u8>> {
    let mut name = read_small(input, size_bytes, MAX_PATH_BYTES as u64 + 1)?;
    if name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

/// Reads records of the form `LENGTH KEY=VALUE\n`, where the length counts the whole record (POSIX pax, "Extended
/// Header"). Values may have any byte, line ends too.
fn read_pax(mut records: &[u8], extended: &mut Extended) -> io::Result<()> {
    while !records.is_empty() {
        let (key, value, rest) = split_pax_record(records).ok_or_else(|| invalid("a PAX header is malformed"))?;
        match key {
            b"path" => extended.path = Some(value.to_vec()),
            b"linkpath" => extended.link = Some(value.to_vec()),
            // Only files over 8 GiB need it, and such a file is no part of a slug.
            b"size" => return Err(invalid("a file's size stands in a PAX header")),
            _ if key.starts_with(b"GNU.sparse.") => return Err(invalid("sparse files are not understood")),
            _ => {}
        }
        records = rest;
    }
    Ok(())
}

fn split_pax_record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
    let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &records[length..]))
}

/// Reads an extended header's content and its padding.
fn read_small(input: &mut impl BufRead, size_bytes: u64, max_bytes: u64) -> io::Result<Vec<u8>> {
    if size_bytes > max_bytes {
        return Err(invalid("an extended header is too long"));
    }
    let mut content = Vec::new();
    let padded_bytes = size_bytes.next_multiple_of(BLOCK_BYTES as u64);
    if input.take(padded_bytes).read_to_end(&mut content)? as u64 != padded_bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    content.truncate(usize::try_from(size_bytes).expect("bounded above"));
    Ok(content)
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
