//! hoist beside what people use without it: each measurement drives both in one run, in turns, and prints the ratio of
//! their medians. Memory and the ledger have no peer, only goals.
//!
//! `scripts/bench` installs and starts the peers and says in the environment where they are ([`peers`]). What has no
//! peer there is skipped. `cargo bench --bench peers -- NAME…` runs some measurements only.
//!
//! In reading order: `tiny_push` and `history` are pushes against plain git, `fetch` is clones and fetches, `sandbox_start` is a container engine's
//! part, `source_export` is a commit's way into an environment, `rebuild` is a build of what has not changed, `registry` is
//! images against docker-registry, `memory` watches the daemon, `ledger` asks a long one; `peers`, `measure` and `table` are
//! what they share. Daemons and work trees are those of the integration tests.

#![expect(clippy::disallowed_methods, reason = "peers are programs, found through the environment")]

mod fetch;
mod history;
mod ledger;
mod memory;
mod rebuild;
mod registry;
mod sandbox_start;
mod source_export;
mod tiny_push;

mod measure;
mod peers;
mod table;

#[expect(dead_code, reason = "`slug_pack` uses all of it")]
#[path = "../slug_tree.rs"]
mod slug_tree;

#[expect(dead_code, unused_imports, clippy::unwrap_used, reason = "the tests use all of it; a bench may fail as a test does")]
#[path = "../../tests/it/harness/mod.rs"]
mod harness;

use peers::Peers;

type Measurement = (&'static str, fn(&Peers));

const MEASUREMENTS: [Measurement; 9] = [
    ("tiny-push", tiny_push::measure),
    ("sandbox-start", sandbox_start::measure),
    ("source-export", source_export::measure),
    ("rebuild", rebuild::measure),
    ("history", history::measure),
    ("fetch", fetch::measure),
    ("memory", memory::measure),
    ("ledger", ledger::measure),
    ("registry", registry::measure),
];

fn main() {
    // cargo adds `--bench`.
    let wanted: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let peers = Peers::from_env();
    for (name, measure) in MEASUREMENTS {
        if wanted.is_empty() || wanted.iter().any(|argument| argument == name) {
            println!("{name}");
            measure(&peers);
        }
    }
}
