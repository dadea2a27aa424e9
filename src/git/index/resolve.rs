//! Second pass: builds every object of the pack once, hashes and checks it.
//!
//! Deltas form trees below whole objects. A worker takes a whole object and walks its tree depth first with the
//! bases of the current path on a stack; all workers take from the same list. Bases that a worker holds beyond
//! [`HELD_BYTES`] are dropped and built again when the walk comes back to them, so that memory stays bounded
//! whatever the shape of the tree.

use std::fs::File;
use std::mem;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use gix_hash::{Kind as Hash, ObjectId};
use gix_object::Kind;
use gix_pack::cache::Never;
use gix_zlib::Inflate;

use super::links::Links;
use super::stream::{Form, MAX_META, Pack};
use super::wire::{Order, Origin};
use super::{Error, Flaw, Found, check, meter::Meter, thin};
use crate::git::objects::{MAX_CHAIN, MAX_INSTRUCTIONS, Objects, apply};

/// Bytes of bases that one worker keeps for later.
const HELD_BYTES: usize = 32 * 1024 * 1024;

/// Bytes that all objects together may have: git's densest packs unfold to some hundred times their size. The fixed
/// part is a minute's work.
fn max_built(pack: &Pack) -> u64 {
    64 * 1024 * 1024 * 1024 + 1000 * pack.end
}

/// Packs below this are done by one thread: starting more costs more.
const WORTH_THREADS: usize = 1000;

/// Builds and checks all objects of the pack, which is completed if it is thin; gives them sorted.
pub(super) fn resolve(
    pack: &mut Pack,
    path: &Path,
    file: &File,
    main: &mut Objects,
    order: &Order,
) -> Result<(Vec<Found>, Links), Error> {
    let meter = Meter::new(pack.offset_deltas.len() + pack.id_deltas.len(), order);
    let claimed: Vec<AtomicBool> = pack.id_deltas.iter().map(|_| AtomicBool::new(false)).collect();
    let roots = (0..).zip(&pack.entries).filter(|(_, entry)| entry.form != Form::Delta).map(|(index, _)| index).collect();
    let (mut found, mut links) = walk(pack, path, roots, &claimed, &meter, order)?;
    found.extend_from_slice(&pack.hashed);
    if found.len() < pack.entries.len() {
        let added = thin::complete(pack, file, main, &claimed)?;
        let (more, more_links) = walk(pack, path, added, &claimed, &meter, order)?;
        found.extend(more);
        links.extend(more_links);
    }
    if found.len() < pack.entries.len() {
        let pending = pack.id_deltas.iter().zip(&claimed).find(|(_, claimed)| !claimed.load(Ordering::Relaxed));
        return Err(match pending {
            Some(((id, _), _)) => Flaw::MissingBase { id: *id }.into(),
            None => Flaw::Corrupt("a delta has no base".into()).into(),
        });
    }
    meter.finish();
    found.sort_unstable();
    if let Some(pair) = found.windows(2).find(|pair| pair[0].id == pair[1].id) {
        return Err(Flaw::Twice { id: pair[0].id }.into());
    }
    Ok((found, links))
}

/// Walks the trees below `roots` on all cores.
fn walk(
    pack: &Pack,
    path: &Path,
    roots: Vec<u32>,
    claimed: &[AtomicBool],
    meter: &Meter,
    order: &Order,
) -> Result<(Vec<Found>, Links), Error> {
    let data = gix_pack::data::File::at(path, Hash::Sha1)
        .map_err(|error| std::io::Error::other(error.to_string()))?
        .with_alloc_limit_bytes(usize::try_from(super::build_bytes(order.blob_bytes)).ok());
    let job = Job {
        pack,
        data,
        roots,
        next: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        built_bytes: AtomicU64::new(0),
        claimed,
        meter,
        order,
    };
    let cores = if pack.entries.len() < WORTH_THREADS { 1 } else { thread::available_parallelism().map_or(1, usize::from) };
    if cores == 1 {
        let mut worker = Worker::new(&job);
        worker.run()?;
        return Ok((worker.found, worker.links));
    }
    thread::scope(|scope| {
        let work = || {
            let mut worker = Worker::new(&job);
            let outcome = worker.run().inspect_err(|_| job.stop.store(true, Ordering::Relaxed));
            outcome.map(|()| (worker.found, worker.links))
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut all = (Vec::with_capacity(pack.entries.len()), Links::default());
        let mut first_error = None;
        for worker in workers {
            match worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
                Ok((found, links)) => {
                    all.0.extend(found);
                    all.1.extend(links);
                }
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(all), Err)
    })
}

/// What all workers share.
struct Job<'a> {
    pack: &'a Pack,
    data: gix_pack::data::File,
    roots: Vec<u32>,
    /// Position in `roots` of the next one to be taken.
    next: AtomicUsize,
    stop: AtomicBool,
    /// Size of all objects built so far.
    built_bytes: AtomicU64,
    /// For the first delta upon each id, whether an object of that id has taken the deltas upon it. A hostile pack
    /// may have the object twice.
    claimed: &'a [AtomicBool],
    meter: &'a Meter,
    order: &'a Order,
}

impl Job<'_> {
    /// The deltas upon the object with this id, for the first who asks.
    fn claim(&self, id: ObjectId) -> Range<usize> {
        let deltas = &self.pack.id_deltas;
        let start = deltas.partition_point(|(base, _)| *base < id);
        let end = start + deltas[start..].partition_point(|(base, _)| *base == id);
        if start == end || self.claimed[start].swap(true, Ordering::Relaxed) {
            return 0..0;
        }
        for claimed in &self.claimed[start..end] {
            claimed.store(true, Ordering::Relaxed);
        }
        start..end
    }

    /// The deltas upon the entry at this position.
    fn deltas_upon(&self, entry: u32) -> Range<usize> {
        let deltas = &self.pack.offset_deltas;
        let start = deltas.partition_point(|(base, _)| *base < entry);
        start..start + deltas[start..].partition_point(|(base, _)| *base == entry)
    }
}

/// A base on the current path.
struct Base {
    entry: u32,
    /// `None` once dropped.
    bytes: Option<Vec<u8>>,
    /// Of all deltas that lead to it.
    instructions: u64,
    /// The deltas upon it that are still to be visited.
    offset_deltas: Range<usize>,
    id_deltas: Range<usize>,
}

impl Base {
    fn next_delta(&mut self, pack: &Pack) -> Option<u32> {
        let by_offset = self.offset_deltas.next().map(|at| pack.offset_deltas[at].1);
        by_offset.or_else(|| self.id_deltas.next().map(|at| pack.id_deltas[at].1))
    }
}

struct Worker<'a> {
    job: &'a Job<'a>,
    inflate: Inflate,
    /// Kind of the tree's root, and so of all its objects.
    kind: Kind,
    path: Vec<Base>,
    held_bytes: usize,
    /// A buffer for the next object.
    spare: Vec<u8>,
    found: Vec<Found>,
    links: Links,
}

impl<'a> Worker<'a> {
    fn new(job: &'a Job<'a>) -> Self {
        Self {
            job,
            inflate: Inflate::default(),
            kind: Kind::Blob,
            path: Vec::new(),
            held_bytes: 0,
            spare: Vec::new(),
            found: Vec::new(),
            links: Links::default(),
        }
    }

    /// Takes roots until there are no more.
    fn run(&mut self) -> Result<(), Error> {
        while let Some(root) = self.job.roots.get(self.job.next.fetch_add(1, Ordering::Relaxed)) {
            if self.job.stop.load(Ordering::Relaxed) {
                break;
            }
            self.open_root(*root)?;
            while let Some(top) = self.path.last_mut() {
                match top.next_delta(self.job.pack) {
                    Some(delta) => self.visit_delta(delta)?,
                    None => self.leave(),
                }
            }
        }
        Ok(())
    }

    fn open_root(&mut self, root: u32) -> Result<(), Error> {
        let (id, bytes) = match self.job.pack.entries[root as usize].form {
            Form::Whole(kind) => {
                self.kind = kind;
                let mut bytes = mem::take(&mut self.spare);
                self.build_whole(root, &mut bytes)?;
                (self.inspect(root, &bytes)?, Some(bytes))
            }
            Form::Hashed | Form::Delta => {
                self.kind = Kind::Blob;
                let hashed = &self.job.pack.hashed;
                let at = hashed.binary_search_by_key(&root, |blob| blob.entry).expect("a hashed blob is in the list");
                (hashed[at].id, None)
            }
        };
        self.enter(root, id, bytes, 0)
    }

    fn visit_delta(&mut self, delta: u32) -> Result<(), Error> {
        let instructions = self.instructions_of(delta)?;
        self.rebuild_top()?;
        let mut bytes = mem::take(&mut self.spare);
        let base = self.path.last().and_then(|base| base.bytes.as_deref()).expect("the top has just been built");
        build_delta(self.job, &mut self.inflate, delta, (self.kind, base), &mut bytes)?;
        let id = self.inspect(delta, &bytes)?;
        self.job.meter.tick();
        self.enter(delta, id, Some(bytes), instructions)
    }

    /// Of a delta upon the top of the path and of all that lead to it.
    fn instructions_of(&self, delta: u32) -> Result<u64, Flaw> {
        let entry = self.job.data.entry(self.job.pack.entries[delta as usize].offset);
        let own = entry.map_err(|error| Flaw::Corrupt(error.to_string()))?.decompressed_size;
        let all = self.path.last().map_or(0, |base| base.instructions) + own;
        if all > MAX_INSTRUCTIONS { Err(Flaw::TooManyInstructions { limit: MAX_INSTRUCTIONS }) } else { Ok(all) }
    }

    /// Puts an object on the path if there are deltas upon it.
    fn enter(&mut self, entry: u32, id: ObjectId, bytes: Option<Vec<u8>>, instructions: u64) -> Result<(), Error> {
        let (offset_deltas, id_deltas) = (self.job.deltas_upon(entry), self.job.claim(id));
        let base = Base { entry, bytes, instructions, offset_deltas, id_deltas };
        if base.offset_deltas.is_empty() && base.id_deltas.is_empty() {
            self.spare = base.bytes.unwrap_or_default();
        } else if self.path.len() == MAX_CHAIN {
            return Err(Flaw::ChainTooLong { limit: MAX_CHAIN }.into());
        } else {
            self.held_bytes += base.bytes.as_ref().map_or(0, Vec::len);
            self.path.push(base);
            self.drop_old_bases();
        }
        self.trim_spare();
        Ok(())
    }

    fn leave(&mut self) {
        if let Some(bytes) = self.path.pop().and_then(|base| base.bytes) {
            self.held_bytes -= bytes.len();
            self.spare = bytes;
            self.trim_spare();
        }
    }

    /// Gives back the memory of an unusually large object.
    fn trim_spare(&mut self) {
        const USUAL: usize = 4 * 1024 * 1024;
        if self.spare.capacity() > USUAL {
            self.spare = Vec::new();
        }
    }

    fn drop_old_bases(&mut self) {
        let (_, older) = self.path.split_last_mut().expect("a base has just been pushed");
        for base in older {
            if self.held_bytes <= HELD_BYTES {
                break;
            }
            self.held_bytes -= base.bytes.take().map_or(0, |bytes| bytes.len());
        }
    }

    /// Builds the top of the path again if it was dropped, from the nearest base below it that was not.
    fn rebuild_top(&mut self) -> Result<(), Error> {
        let top = self.path.len() - 1;
        if self.path[top].bytes.is_some() {
            return Ok(());
        }
        let have = self.path.iter().rposition(|base| base.bytes.is_some());
        let mut bytes = Vec::new();
        let start = if let Some(at) = have {
            bytes.clone_from(self.path[at].bytes.as_ref().expect("found by its bytes"));
            at
        } else {
            self.build_whole(self.path[0].entry, &mut bytes)?;
            0
        };
        for at in start + 1..=top {
            let mut next = Vec::new();
            build_delta(self.job, &mut self.inflate, self.path[at].entry, (self.kind, &bytes), &mut next)?;
            bytes = next;
        }
        self.held_bytes += bytes.len();
        self.path[top].bytes = Some(bytes);
        Ok(())
    }

    fn build_whole(&mut self, entry: u32, out: &mut Vec<u8>) -> Result<(), Flaw> {
        let data = &self.job.data;
        out.clear();
        data.entry(self.job.pack.entries[entry as usize].offset)
            .and_then(|entry| data.decode_entry(entry, out, &mut self.inflate, &|_, _| Ok(None), &mut Never))
            .map_err(|error| Flaw::Corrupt(error.to_string()))?;
        Ok(())
    }

    /// Hashes and checks an object and notes what it refers to.
    fn inspect(&mut self, entry: u32, bytes: &[u8]) -> Result<ObjectId, Flaw> {
        let kind = self.kind;
        let size = bytes.len() as u64;
        if kind == Kind::Blob && size > self.job.order.blob_bytes {
            return Err(Flaw::BlobTooLarge { bytes: size, limit: self.job.order.blob_bytes });
        }
        if kind != Kind::Blob && size > MAX_META {
            return Err(Flaw::ObjectTooLarge { kind, bytes: size, limit: MAX_META });
        }
        let limit = max_built(self.job.pack);
        if self.job.built_bytes.fetch_add(size, Ordering::Relaxed) + size > limit {
            return Err(Flaw::TooExpanded { limit });
        }
        let id = gix_object::compute_hash(Hash::Sha1, kind, bytes).map_err(|error| Flaw::Corrupt(error.to_string()))?;
        let checked = check::check(kind, bytes, |reference| self.links.add(reference));
        // What is here already was let in by the rules of its time.
        if let Err(what) = checked
            && self.job.order.origin == Origin::Pushed
        {
            return Err(Flaw::BadObject { id, what });
        }
        self.found.push(Found { id, entry, kind });
        Ok(id)
    }
}

/// Applies a delta to its base.
fn build_delta(
    job: &Job<'_>,
    inflate: &mut Inflate,
    delta: u32,
    (kind, base): (Kind, &[u8]),
    out: &mut Vec<u8>,
) -> Result<(), Flaw> {
    let data = &job.data;
    out.clear();
    out.extend_from_slice(base);
    data.entry(job.pack.entries[delta as usize].offset)
        .and_then(|delta| apply(data, delta, kind, inflate, out))
        .map_err(|error| Flaw::Corrupt(error.to_string()))
}
