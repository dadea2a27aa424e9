//! Packs a `node_modules`-like tree as a slug, against `tar c | pigz`, and prints the ratios of time and size.
//!
//! The two sides take turns; both read the tree and both send a tar through a pipe. hoist's comes from the engine, as a
//! build's does. The goals: at most 0.45 of the time at no more than 1.05 of the size; and 0.15 of the time when an earlier
//! slug is there and all files of one package in a hundred have changed since.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hoist::engine::{Engine, Environment, Kind, Settings, Spec};
use hoist::model::{AppId, Limits};
use hoist::slug::{LastSlug, LastSlugs, Packed, pack};
use hoist::store::Store;

#[path = "slug_tree.rs"]
mod slug_tree;
#[path = "peers/table.rs"]
mod table;

const ROUNDS: usize = 5;

const TREE: &str = "/tree";

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    if !has_pigz() {
        println!("slug_pack: skipped, there is no pigz to compare with");
        return Ok(());
    }
    let work = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let environment = runtime.block_on(environment(&work.path().join("engine")))?;
    let tree = PathBuf::from(environment.path(TREE));
    fs::create_dir_all(&tree)?;
    slug_tree::generate(&tree)?;

    let archive = work.path().join("peer.tar.gz");
    let mut cold = Times::default();
    let (mut their_bytes, mut packed) = (0, None);
    for round in 0..=ROUNDS {
        let (their_time, bytes) = timed(|| tar_pigz(&tree, &archive))?;
        // A new store each round, or the slug would be there already.
        let folder = work.path().join(format!("cold-{round}"));
        let (our_time, slug) = timed(|| runtime.block_on(pack_tree(&environment, &open(&folder)?)))?;
        cold.take(round, "all", their_time, our_time);
        (their_bytes, packed) = (bytes, Some(slug));
    }
    let mut changed = Times::default();
    let earlier = open(&work.path().join("changed"))?;
    runtime.block_on(pack_tree(&environment, &earlier))?;
    for round in 0..=ROUNDS {
        slug_tree::change_one_percent(&tree, round)?;
        let (their_time, _) = timed(|| tar_pigz(&tree, &archive))?;
        let (our_time, _) = timed(|| runtime.block_on(pack_tree(&environment, &earlier)))?;
        changed.take(round, "1 % changed", their_time, our_time);
    }
    runtime.block_on(environment.stop())?;
    report(cold, changed, their_bytes, &packed.expect("at least one round"));
    Ok(())
}

/// What both sides took, round by round.
#[derive(Default)]
struct Times {
    theirs: Vec<Duration>,
    ours: Vec<Duration>,
}

impl Times {
    fn take(&mut self, round: usize, what: &str, theirs: Duration, ours: Duration) {
        // The first round warms the page cache.
        if round > 0 {
            println!("  round {round}, {what}: tar | pigz {theirs:.2?}, hoist {ours:.2?}");
            self.theirs.push(theirs);
            self.ours.push(ours);
        }
    }

    fn compare(self, name: &str, goal: f64) {
        table::compare(name, median(self.ours), median(self.theirs), goal);
    }
}

/// Where slugs go, and what is noted of the last one.
struct Slugs {
    store: Store,
    last: LastSlug,
}

fn open(dir: &Path) -> Result<Slugs> {
    let last = LastSlugs::open(dir.join("last-slugs"))?.of(AppId::new());
    Ok(Slugs { store: Store::open(dir.join("blobs"))?, last })
}

#[expect(clippy::cast_precision_loss, reason = "printed with two digits")]
fn report(cold: Times, changed: Times, their_bytes: u64, packed: &Packed) {
    let mb = |bytes: u64| bytes as f64 / 1e6;
    println!("slug_pack: {} files, {:.1} MB as tar", packed.files, mb(packed.content_bytes));
    cold.compare("slug packing, time", 0.45);
    changed.compare("slug packing, 1 % changed, time", 0.15);
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

async fn pack_tree(environment: &Environment, slugs: &Slugs) -> Result<Packed> {
    let (packed, ()) = pack(environment.take_out(TREE).await?, &slugs.store, &slugs.last, &Limits::default(), ()).await?;
    Ok(packed)
}

/// An environment of the engine that needs nothing: its files are read and piped as every engine does it.
async fn environment(work_dir: &Path) -> Result<Environment> {
    let settings = Settings {
        kind: Kind::Local,
        helper: PathBuf::new(),
        work_dir: work_dir.to_owned(),
        ca_bundle: None,
        allow_networks: Vec::new(),
    };
    let limits = Limits::default();
    let spec = Spec {
        root: "/".into(),
        name: "bench".into(),
        memory_bytes: limits.build_memory_bytes,
        pids: limits.build_pids,
        cpus: limits.build_cpus,
        disk_bytes: limits.build_disk_bytes,
        network: false,
    };
    Ok(Engine::open(settings).await?.start(spec).await?)
}
