//! Packs a `node_modules`-like tree as a slug, against `tar c | pigz`, and prints the ratios of time and size.
//!
//! `cargo bench --bench slug_pack [-- TREE]`. Without a tree it makes one. The two sides take turns; both read the
//! tree and both send a tar through a pipe, as a build's tar comes from the engine's helper. The goal: at most 0.45 of
//! the time at no more than 1.05 of the size.

use std::error::Error;
use std::fs;
use std::io::{BufWriter, PipeWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hoist::model::Limits;
use hoist::slug::{Packed, pack};
use hoist::store::Store;
use rustix::pipe::fcntl_setpipe_size;
use tar::Header;
use tokio::net::unix::pipe;

#[path = "slug_tree.rs"]
mod slug_tree;
#[path = "peers/table.rs"]
mod table;

const ROUNDS: usize = 5;

/// As the engine's pipes have.
const PIPE_BYTES: usize = 1024 * 1024;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    if !has_pigz() {
        println!("slug_pack: skipped, there is no pigz to compare with");
        return Ok(());
    }
    let work = tempfile::tempdir()?;
    let tree = match std::env::args().skip(1).find(|argument| !argument.starts_with('-')) {
        Some(tree) => PathBuf::from(tree),
        None => slug_tree::generate(&work.path().join("tree"))?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;

    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    let (mut their_bytes, mut packed) = (0, None);
    for round in 0..=ROUNDS {
        let (their_time, bytes) = timed(|| tar_pigz(&tree, &work.path().join("peer.tar.gz")))?;
        // A new store each round, or the slug would be there already.
        let store = Store::open(work.path().join(format!("store-{round}")))?;
        let (our_time, slug) = timed(|| runtime.block_on(pack_tree(tree.clone(), &store)))?;
        // The first round warms the page cache.
        if round > 0 {
            println!("  round {round}: tar | pigz {their_time:.2?}, hoist {our_time:.2?}");
            theirs.push(their_time);
            ours.push(our_time);
        }
        (their_bytes, packed) = (bytes, Some(slug));
    }
    report(median(theirs), median(ours), their_bytes, &packed.expect("at least one round"));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "printed with two digits")]
fn report(theirs: Duration, ours: Duration, their_bytes: u64, packed: &Packed) {
    let mb = |bytes: u64| bytes as f64 / 1e6;
    println!("slug_pack: {} files, {:.1} MB as tar", packed.files, mb(packed.content_bytes));
    table::compare("slug packing, time", ours, theirs, 0.45);
    let ratio = mb(packed.size_bytes) / mb(their_bytes);
    let (our_size, their_size) = (format!("{:.1} MB", mb(packed.size_bytes)), format!("{:.1} MB", mb(their_bytes)));
    table::row("slug packing, size", &[our_size, their_size, format!("{ratio:.3}"), "1.05".to_owned()], ratio <= 1.05);
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    let start = Instant::now();
    let value = work()?;
    Ok((start.elapsed(), value))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[expect(clippy::disallowed_methods, reason = "the peer is a program")]
fn has_pigz() -> bool {
    Command::new("pigz").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Packs the tree as people do without hoist; returns the size of what came out.
#[expect(clippy::disallowed_methods, reason = "the peer is a program")]
fn tar_pigz(tree: &Path, out: &Path) -> Result<u64> {
    let script = r#"tar -C "$1" --sort=name -cf - . | pigz > "$2""#;
    let status = Command::new("sh").args(["-c", script, "sh"]).arg(tree).arg(out).status()?;
    if !status.success() {
        return Err("tar | pigz failed".into());
    }
    // hoist flushes the slug to disk before it says that it has it.
    fs::File::open(out)?.sync_all()?;
    Ok(fs::metadata(out)?.len())
}

async fn pack_tree(tree: PathBuf, store: &Store) -> Result<Packed> {
    let (reader, writer) = std::io::pipe()?;
    fcntl_setpipe_size(&writer, PIPE_BYTES)?;
    let producer = std::thread::spawn(move || write_tar(&tree, writer));
    let packed = pack(pipe::Receiver::from_owned_fd(reader.into())?, store, &Limits::default()).await?;
    producer.join().expect("the producer does not panic")?;
    Ok(packed)
}

/// Writes the tree as a tar, each folder before its sorted content, as the engine's helper does.
fn write_tar(tree: &Path, pipe: PipeWriter) -> Result<()> {
    let mut tar = tar::Builder::new(BufWriter::with_capacity(PIPE_BYTES / 4, pipe));
    append_folder(&mut tar, tree, Path::new("."))?;
    tar.into_inner()?.flush()?;
    Ok(())
}

fn append_folder(tar: &mut tar::Builder<impl Write>, folder: &Path, name: &Path) -> Result<()> {
    tar.append_dir(name, folder)?;
    let mut entries = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), name.join(entry.file_name()));
        let mut header = Header::new_gnu();
        match entry.file_type()? {
            kind if kind.is_dir() => append_folder(tar, &path, &name)?,
            kind if kind.is_symlink() => {
                header.set_metadata(&fs::symlink_metadata(&path)?);
                tar.append_link(&mut header, &name, fs::read_link(&path)?)?;
            }
            _ => {
                let file = fs::File::open(&path)?;
                let metadata = file.metadata()?;
                header.set_metadata(&metadata);
                tar.append_data(&mut header, &name, file.take(metadata.len()))?;
            }
        }
    }
    Ok(())
}
