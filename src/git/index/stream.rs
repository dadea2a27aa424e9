//! First pass: the pack as it arrives.
//!
//! Writes it down, finds out where each entry begins and what it is, and verifies its checksum. Every entry is
//! inflated to find its end, but nothing is kept: memory does not depend on the size of objects. Big blobs, which
//! are rarely deltas or bases of them, get their id on the way, so that nobody ever holds them in memory.

use std::fs::File;
use std::io::{self, BufRead, Read, Write};

use gix_hash::{Hasher, Kind as Hash, ObjectId};
use gix_object::Kind;
use gix_pack::data::entry::Header;
use gix_zlib::{Decompress, FlushDecompress, Status};

use super::wire::Order;
use super::{Error, Flaw, Found, LimitMemory};

/// Blobs from this size on are hashed as they stream by.
const BIG_BLOB: u64 = 512 * 1024;

/// Largest commit, tree or tag: these are parsed whole. A tree of a million entries has about 40 MiB.
pub(super) const MAX_META: u64 = 64 * 1024 * 1024;

const BUFFER: usize = 64 * 1024;

/// Length of an object id, and of the checksum at the end.
pub(super) const ID_BYTES: usize = 20;

/// A pack on disk with what the first pass learnt of it.
#[derive(Debug)]
pub(super) struct Pack {
    /// In the order of the file.
    pub entries: Vec<Entry>,
    /// Deltas upon an entry of this pack: base and delta, as positions in `entries`; sorted.
    pub offset_deltas: Vec<(u32, u32)>,
    /// Deltas upon an object by its id, wherever it is: base and delta; sorted.
    pub id_deltas: Vec<(ObjectId, u32)>,
    /// The big blobs that have been hashed, sorted by entry.
    pub hashed: Vec<Found>,
    /// Where the entries end and the checksum begins.
    pub end: u64,
    pub checksum: ObjectId,
}

/// An entry of the pack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub offset: u64,
    pub crc32: u32,
    pub form: Form,
}

/// How an entry holds its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Whole(Kind),
    /// A whole blob whose id is known already.
    Hashed,
    Delta,
}

/// Receives a pack of at most the order's size into `file`.
pub(super) fn receive(input: impl Read, file: &File, order: &Order, limit_memory: LimitMemory) -> Result<Pack, Error> {
    let mut input = Input::new(input, file, order.pack_bytes);
    let count = read_header(&mut input, order)?;
    limit_memory(count, order.blob_bytes)?;
    let mut pack = Pack {
        entries: Vec::with_capacity(count.min(1_000_000) as usize),
        offset_deltas: Vec::new(),
        id_deltas: Vec::new(),
        hashed: Vec::new(),
        end: 0,
        checksum: ObjectId::null(Hash::Sha1),
    };
    let mut inflater = Inflater::default();
    for index in 0..count {
        receive_entry(index, &mut input, &mut inflater, &mut pack, order)?;
    }
    pack.end = input.offset;
    pack.checksum = input.finish()?;
    pack.offset_deltas.sort_unstable();
    pack.id_deltas.sort_unstable();
    Ok(pack)
}

fn read_header(input: &mut Input<impl Read>, order: &Order) -> Result<u32, Error> {
    let mut header = [0; gix_pack::data::header::SIZE];
    input.read_exact(&mut header).map_err(|error| explain(error, order.pack_bytes))?;
    let (_, count) = gix_pack::data::header::decode(&header).map_err(|error| Flaw::Corrupt(error.to_string()))?;
    if count > order.pack_objects {
        return Err(Flaw::TooManyObjects { count, limit: order.pack_objects }.into());
    }
    Ok(count)
}

fn receive_entry(
    index: u32,
    input: &mut Input<impl Read>,
    inflater: &mut Inflater,
    pack: &mut Pack,
    order: &Order,
) -> Result<(), Error> {
    let offset = input.offset;
    input.crc32 = crc32fast::Hasher::new();
    let header = gix_pack::data::Entry::from_read(input, offset, ID_BYTES).map_err(|error| explain(error, order.pack_bytes))?;
    let bytes = header.decompressed_size;
    check_size(&header.header, bytes, order)?;
    let form = match header.header {
        Header::Blob if bytes >= BIG_BLOB => Form::Hashed,
        Header::OfsDelta { base_distance } => {
            pack.offset_deltas.push((base_entry(&pack.entries, offset, base_distance)?, index));
            Form::Delta
        }
        Header::RefDelta { base_id } => {
            pack.id_deltas.push((base_id, index));
            Form::Delta
        }
        whole => Form::Whole(whole.as_kind().expect("the deltas are told apart above")),
    };
    if form == Form::Hashed {
        let mut hasher = gix_hash::hasher(Hash::Sha1);
        hasher.update(&gix_object::encode::loose_header(Kind::Blob, bytes));
        inflater.inflate(input, bytes, |piece| hasher.update(piece))?;
        pack.hashed.push(Found { id: finalize(hasher)?, entry: index, kind: Kind::Blob });
    } else {
        inflater.inflate(input, bytes, |_| ())?;
    }
    pack.entries.push(Entry { offset, crc32: input.crc32.clone().finalize(), form });
    Ok(())
}

fn check_size(header: &Header, bytes: u64, order: &Order) -> Result<(), Flaw> {
    match header.as_kind() {
        Some(Kind::Blob) if bytes > order.blob_bytes => Err(Flaw::BlobTooLarge { bytes, limit: order.blob_bytes }),
        Some(kind @ (Kind::Commit | Kind::Tree | Kind::Tag)) if bytes > MAX_META => {
            Err(Flaw::ObjectTooLarge { kind, bytes, limit: MAX_META })
        }
        // A delta is no larger than a whole object that does the same.
        None if bytes > order.blob_bytes.max(MAX_META) => Err(Flaw::BlobTooLarge { bytes, limit: order.blob_bytes }),
        _ => Ok(()),
    }
}

fn base_entry(entries: &[Entry], offset: u64, distance: u64) -> Result<u32, Flaw> {
    let bad = || Flaw::Corrupt(format!("the delta at {offset} has no base"));
    let base = Header::verified_base_pack_offset(offset, distance).ok_or_else(bad)?;
    let index = entries.binary_search_by_key(&base, |entry| entry.offset).map_err(|_| bad())?;
    Ok(u32::try_from(index).expect("a pack has at most u32::MAX entries"))
}

/// Ends a hash; fails on an attack that makes two objects share it.
pub(super) fn finalize(hasher: Hasher) -> Result<ObjectId, Flaw> {
    hasher.try_finalize().map_err(|error| Flaw::Corrupt(error.to_string()))
}

/// The incoming bytes: what is consumed is written down and summed up.
struct Input<'a, R> {
    from: R,
    file: &'a File,
    limit: u64,
    /// Consumed bytes since the start of the pack.
    offset: u64,
    /// Over the consumed bytes of the current entry.
    crc32: crc32fast::Hasher,
    hasher: Hasher,
    buffer: Box<[u8]>,
    /// `buffer[settled..start]` is consumed, but not yet hashed and written; `buffer[start..end]` is unread.
    settled: usize,
    start: usize,
    end: usize,
}

impl<'a, R: Read> Input<'a, R> {
    fn new(from: R, file: &'a File, limit: u64) -> Self {
        Self {
            from,
            file,
            limit,
            offset: 0,
            crc32: crc32fast::Hasher::new(),
            hasher: gix_hash::hasher(Hash::Sha1),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            settled: 0,
            start: 0,
            end: 0,
        }
    }

    fn settle(&mut self) -> io::Result<()> {
        let bytes = &self.buffer[self.settled..self.start];
        self.hasher.update(bytes);
        self.settled = self.start;
        self.file.write_all(bytes)
    }

    /// Reads and compares the checksum, and writes it down.
    fn finish(mut self) -> Result<ObjectId, Error> {
        self.settle()?;
        let expected = finalize(self.hasher.clone())?;
        let mut found = [0; ID_BYTES];
        self.read_exact(&mut found).map_err(|error| explain(error, self.limit))?;
        if expected.as_slice() != found {
            return Err(Flaw::Corrupt("its checksum does not match".into()).into());
        }
        self.file.write_all(&found)?;
        Ok(expected)
    }
}

/// Tells the pack's faults from this machine's.
fn explain(error: io::Error, limit: u64) -> Error {
    match error.kind() {
        io::ErrorKind::FileTooLarge => Flaw::PackTooLarge { limit }.into(),
        io::ErrorKind::UnexpectedEof => Flaw::Truncated.into(),
        // What gix gives when the bytes make no sense.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            Flaw::Corrupt(error.to_string()).into()
        }
        _ => error.into(),
    }
}

impl<R: Read> BufRead for Input<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.settle()?;
            if self.offset >= self.limit {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            (self.settled, self.start, self.end) = (0, 0, self.from.read(&mut self.buffer)?);
            if self.end == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.crc32.update(&self.buffer[self.start..self.start + count]);
        self.start += count;
        self.offset += count as u64;
    }
}

impl<R: Read> Read for Input<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

/// Inflates entries piece by piece.
struct Inflater {
    state: Decompress,
    piece: Box<[u8]>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { state: Decompress::new(), piece: vec![0; BUFFER].into_boxed_slice() }
    }
}

impl Inflater {
    /// Inflates one entry that says of itself to have `bytes`, and stops as soon as it has more.
    fn inflate(&mut self, input: &mut Input<impl Read>, bytes: u64, mut sink: impl FnMut(&[u8])) -> Result<(), Error> {
        self.state.reset();
        loop {
            let limit = input.limit;
            let compressed = input.fill_buf().map_err(|error| explain(error, limit))?;
            let (read, written) = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress(compressed, &mut self.piece, FlushDecompress::None)
                .map_err(|error| Flaw::Corrupt(error.to_string()))?;
            let (read, written) = (self.state.total_in() - read, self.state.total_out() - written);
            input.consume(usize::try_from(read).expect("no more than was given"));
            sink(&self.piece[..usize::try_from(written).expect("no more than there is room")]);
            let total = self.state.total_out();
            let ended = status == Status::StreamEnd;
            let stuck = !ended && read == 0 && written == 0;
            if stuck || total > bytes || (ended && total < bytes) {
                return Err(Flaw::Corrupt("an entry is not as long as it says".into()).into());
            }
            if ended {
                return Ok(());
            }
        }
    }
}
