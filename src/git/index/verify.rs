//! A pack of the repository's own is looked at again: every object is built and hashed, and what lies beside the pack must be
//! what would be written there now.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use gix_hash::ObjectId;

use super::stream::{self, ID_BYTES, Pack};
use super::wire::{History, Order, Verdict};
use super::{Error, Flaw, Found, LimitMemory, resolve, write_beside};
use crate::git::objects::Objects;
use crate::git::side_files::{self, read_roots};

/// Looks at the pack at a path.
pub(super) fn verify(path: &Path, order: &Order, limit_memory: LimitMemory) -> Result<Verdict, Error> {
    let mut main = Objects::in_dirs(vec![order.main.clone()]);
    // The passes write down what they read; here it is written down already.
    let nowhere = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut pack = stream::receive(file, &nowhere, order, limit_memory)?;
    if bytes != pack.end + ID_BYTES as u64 {
        return Err(corrupt("there is something behind its end"));
    }
    // A pack stands for itself: the bases of its deltas are in it.
    let (found, mut links) = resolve::resolve(&mut pack, path, &nowhere, &mut Objects::in_dirs(Vec::new()), order)?;
    let roots = links.roots(&found);
    links.check(&found, &mut main, History::Whole)?;
    let name = format!("pack-{}", pack.checksum);
    if path.file_stem().is_none_or(|stem| stem != name.as_str()) {
        return Err(corrupt("its name is another pack's"));
    }
    check_beside(path, &order.incoming.join(&name), &pack, &found, &roots)?;
    Ok(Verdict::Accepted { objects: pack.entries.len(), bytes, pack: Some(name), tips: Vec::new() })
}

/// Compares what lies beside the pack with what is made anew. What readers would not believe does no harm: they do without.
fn check_beside(path: &Path, anew: &Path, pack: &Pack, found: &[Found], roots: &[ObjectId]) -> Result<(), Error> {
    write_beside(anew, pack, found, roots)?;
    if !is_same(&path.with_extension("idx"), &anew.with_extension("idx"))? {
        return Err(corrupt("its index (.idx) is not of what is in it"));
    }
    let count = u32::try_from(found.len()).expect("a pack's count fits");
    let order = path.with_extension("rev");
    if side_files::Order::open(&order, count, &pack.checksum)?.is_some() && !is_same(&order, &anew.with_extension("rev"))? {
        return Err(corrupt("its reverse index (.rev) is not of what is in it"));
    }
    let believed = read_roots(&path.with_extension("roots"), &pack.checksum)?;
    if believed.is_some_and(|believed| believed != roots) {
        return Err(corrupt("its list of roots (.roots) is not of what is in it"));
    }
    Ok(())
}

fn corrupt(what: &str) -> Error {
    Flaw::Corrupt(what.to_owned()).into()
}

/// Whether two files have the same content.
fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (BufReader::new(File::open(one)?), BufReader::new(File::open(other)?));
    loop {
        let (some, others) = (one.fill_buf()?, other.fill_buf()?);
        let count = some.len().min(others.len());
        if count == 0 || some[..count] != others[..count] {
            return Ok(some.is_empty() && others.is_empty());
        }
        one.consume(count);
        other.consume(count);
    }
}
