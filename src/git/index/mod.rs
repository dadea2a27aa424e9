//! A stranger's pack becomes a checked and indexed one, in a process of its own (`hoist index-pack`).
//!
//! The process bounds what a hostile pack can do: its memory is limited, its death is a refused push. gix's own
//! indexer has no place to look at the objects it hashes; resolving every delta a second time for the checks would
//! cost half again, so the passes are ours and the formats gix's.
//!
//! In reading order:
//! - `spawn`: the daemon's side: starts the helper, feeds it, waits for the verdict; `wire` is what the two exchange
//! - `stream`: first pass, while the pack arrives: where each entry is; big blobs are hashed on the way
//! - `resolve`: second pass, on all cores: every object is built once, hashed and handed to `check`, git's rules; `meter`
//!   tells
//! - `thin`: adds the bases that the pack left out because the repository has them
//! - `links`: connectivity: what objects refer to must be there
//! - `idx`: the index file; `side`: what else lies beside a pack; `verify` compares all of it with what there is

mod spawn;
mod wire;

mod check;
mod idx;
mod links;
mod meter;
mod resolve;
mod side;
mod stream;
mod thin;
mod verify;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::ExitCode;

use gix_hash::ObjectId;
use gix_object::Kind;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::objects::{MAX_DELTIFIED, MAX_NESTED_TAGS, Objects};
use check::special;
pub use spawn::IndexError;
pub(super) use spawn::{Indexed, examine, index, index_foreign, index_own};
pub(super) use wire::Tip;
use wire::{Order, Origin, Verdict};

/// Entry point of the helper process: an [`Order`] as one line of JSON and then the pack come in on stdin; on stdout
/// go [`Verdict`]s, one JSON text per line, of which all but the last are progress.
#[must_use]
pub fn helper_main() -> ExitCode {
    let verdict = run(io::stdin().lock(), limit_memory).unwrap_or_else(|error| match error {
        Error::Pack(flaw @ Flaw::BadObject { .. }) => Verdict::BadObject { reason: flaw.to_string() },
        Error::Pack(flaw) => Verdict::Refused { reason: flaw.to_string() },
        Error::Io(error) => Verdict::Failed { what: error.to_string() },
    });
    wire::say(&verdict);
    ExitCode::SUCCESS
}

/// Does the helper's work with a pack in this process, in an empty folder; gives how many objects it has. For the fuzzer:
/// here a hostile pack takes what memory it likes.
///
/// # Errors
/// When the pack is not good; in the pusher's words.
pub fn examine_pack(pack: &[u8], dir: &Path) -> Result<usize, String> {
    let order = Order {
        main: dir.to_owned(),
        incoming: dir.to_owned(),
        tips: Vec::new(),
        pack_bytes: 1024 * 1024,
        pack_objects: 1000,
        blob_bytes: 64 * 1024,
        verbose: false,
        history: wire::History::Shallow,
        origin: Origin::Pushed,
    };
    let mut line = serde_json::to_vec(&order).expect("plain data becomes JSON");
    line.push(b'\n');
    match run(line.as_slice().chain(pack), |_, _| Ok(())).map_err(|error| error.to_string())? {
        Verdict::Accepted { objects, .. } => Ok(objects),
        other => Err(format!("{other:?}")),
    }
}

/// Checks the content of one object by the name of its kind, or that of a `.gitmodules` or `.gitattributes` file, as those of a
/// pack are checked; gives how many objects and such files it refers to. For the fuzzer, which seldom makes a whole pack.
///
/// # Errors
/// What is wrong with it, in git's words.
pub fn examine_object(name: &str, content: &[u8]) -> Result<usize, String> {
    let mut references = 0;
    let checked = match name {
        ".gitmodules" => special::check_content(special::Form::Modules, content),
        ".gitattributes" => special::check_content(special::Form::Attributes, content),
        kind => {
            let kind = Kind::from_bytes(kind.as_bytes()).map_err(|error| error.to_string())?;
            check::check(kind, content, |_| references += 1)
        }
    };
    checked.map(|()| references).map_err(|offence| offence.to_string())
}

/// Why a pack was not taken.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The pack's own fault.
    #[error(transparent)]
    Pack(#[from] Flaw),
    /// This machine's fault.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What is wrong with a pack. The texts are shown to whoever has pushed it, or has had it fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Flaw {
    #[error("the pack ends early")]
    Truncated,
    #[error("the pack is corrupt: {0}")]
    Corrupt(String),
    #[error("the pack is larger than the {} that are allowed", size(*limit))]
    PackTooLarge { limit: u64 },
    #[error("the pack has {count} objects, at most {limit} are allowed")]
    TooManyObjects { count: u32, limit: u32 },
    #[error("a file is of {}, at most {} are allowed; large files belong into an object store", size(*bytes), size(*limit))]
    BlobTooLarge { bytes: u64, limit: u64 },
    #[error("a {kind} is of {}, at most {} are allowed", size(*bytes), size(*limit))]
    ObjectTooLarge { kind: Kind, bytes: u64, limit: u64 },
    #[error("the pack is corrupt: a chain of deltas is longer than {limit}")]
    ChainTooLong { limit: usize },
    #[error("the pack unfolds to more than {}", size(*limit))]
    TooExpanded { limit: u64 },
    #[error(
        "a chain of deltas has more than {} of instructions; \
         'git -c core.bigFileThreshold=16m repack -a -d -F' keeps large files without deltas", size(*limit)
    )]
    TooManyInstructions { limit: u64 },
    /// In git's words (`index-pack --strict`, which `receive.fsckObjects` asks for): one of the two may be a delta upon what
    /// builds upon the other.
    #[error("The same object {id} appears twice in the pack")]
    Twice { id: ObjectId },
    #[error("object {id} is missing, which a delta builds upon")]
    MissingBase { id: ObjectId },
    #[error("object {id}: {what}")]
    BadObject { id: ObjectId, what: check::Offence },
    #[error(
        "{kind} {id} is missing: the pack refers to it, but neither brings it nor is it here; \
         'git fetch --refetch --no-filter' completes a partial clone"
    )]
    MissingObject { kind: Kind, id: ObjectId },
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes >= MIB { format!("{} MiB", bytes / MIB) } else { format!("{bytes} bytes") }
}

/// An object of the pack with its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    id: ObjectId,
    /// Position among the pack's entries.
    entry: u32,
    kind: Kind,
}

/// Bounds the memory for a pack of so many objects and blobs of so many bytes.
type LimitMemory = fn(u32, u64) -> io::Result<()>;

/// What nobody waits for is done when there is nothing else to do.
const NICE: i32 = 19;

/// The helper's work, in order.
fn run(input: impl Read, limit_memory: LimitMemory) -> Result<Verdict, Error> {
    let mut input = BufReader::with_capacity(64 * 1024, input);
    let order = read_order(&mut input)?;
    if order.origin != Origin::Pushed {
        // Whoever pushes comes first. Without it the work is as good.
        let _ = rustix::process::nice(NICE);
    }
    if let Origin::Kept(path) = &order.origin {
        return verify::verify(path, &order, limit_memory);
    }
    let path = order.incoming.join("incoming.pack");
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    let mut main = Objects::in_dirs(vec![order.main.clone()]);

    let mut pack = stream::receive(&mut input, &file, &order, limit_memory)?;
    if pack.entries.is_empty() {
        fs::remove_file(&path)?;
        return Ok(Verdict::Accepted { objects: 0, bytes: 0, pack: None, tips: judge_tips(&order.tips, &mut main)? });
    }
    let (found, mut links) = resolve::resolve(&mut pack, &path, &file, &mut main, &order)?;
    let roots = links.roots(&found);
    links.check(&found, &mut main, order.history)?;

    let name = format!("pack-{}", pack.checksum);
    let bytes = file.metadata()?.len();
    write_beside(&order.incoming.join(&name), &pack, &found, &roots)?;
    fs::rename(&path, order.incoming.join(format!("{name}.pack")))?;
    let mut all = Objects::in_dirs(vec![order.incoming, order.main]);
    if order.origin == Origin::Pushed {
        links.check_special(&mut all)?;
    }
    let tips = judge_tips(&order.tips, &mut all)?;
    Ok(Verdict::Accepted { objects: pack.entries.len(), bytes, pack: Some(name), tips })
}

/// Writes what lies beside a pack, whose path is given without extension.
fn write_beside(path: &Path, pack: &stream::Pack, found: &[Found], roots: &[ObjectId]) -> io::Result<()> {
    side::write_order(&path.with_extension("rev"), found, pack)?;
    side::write_roots(&path.with_extension("roots"), roots, found, pack)?;
    idx::write(&File::create_new(path.with_extension("idx"))?, found, pack)
}

fn read_order(input: &mut impl BufRead) -> io::Result<Order> {
    let mut line = Vec::new();
    input.take(wire::MAX_ORDER).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

/// Says for each new value of a ref why it cannot be, if so.
fn judge_tips(tips: &[Tip], objects: &mut Objects) -> io::Result<Vec<Option<String>>> {
    tips.iter().map(|tip| judge_tip(tip, objects)).collect()
}

/// Likewise, for one of them.
pub(super) fn judge_tip(tip: &Tip, objects: &mut Objects) -> io::Result<Option<String>> {
    let id = tip.id()?;
    Ok(match objects.kind(&id)? {
        None => Some(format!("object {id} is missing")),
        Some(kind) if tip.branch && kind != Kind::Commit => Some(format!("a branch cannot be a {kind}")),
        Some(Kind::Tag) if objects.is_nested_too_deeply(&id)? => {
            Some(format!("more than {MAX_NESTED_TAGS} annotated tags are about one another: tag the object itself"))
        }
        Some(_) => None,
    })
}

/// Bytes that may be used to build one object of at most `blob_bytes`: base, result and instructions.
fn build_bytes(blob_bytes: u64) -> u64 {
    3 * blob_bytes.clamp(stream::MAX_META, MAX_DELTIFIED)
}

/// Bounds this process' memory: what a pack of so many objects can honestly need, and no more.
fn limit_memory(objects: u32, blob_bytes: u64) -> io::Result<()> {
    const BASE: u64 = 1024 * 1024 * 1024;
    const PER_OBJECT: u64 = 256;
    let bytes = Some(BASE + PER_OBJECT * u64::from(objects) + build_bytes(blob_bytes));
    setrlimit(Resource::Data, Rlimit { current: bytes, maximum: bytes })?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}
