//! A build of an app that has not changed, with 45,000 files of 300 MB in its cache and as many in its slug, against the first
//! one: what hoist takes of either, without what the buildpack takes.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{Daemon, User, WorkTree, until};
use crate::measure::median;
use crate::peers::Peers;
use crate::table;

const ROUNDS: usize = 3;

/// Installs its modules into the cache, copies them into the app, and says how long it took.
const COMPILE: &str = r#"#!/usr/bin/env bash
set -euo pipefail
start=$(date +%s%N)
[ -d "$2/modules" ] || perl "$1/pack/modules.pl" "$2/modules"
cp -a "$2/modules" "$1/node_modules"
echo "compile took $(($(date +%s%N) - start)) ns"
"#;

const MODULES: &str = r#"srand 1;
my @words = map { join '', map { chr(97 + int rand 26) } 1 .. 3 + int rand 7 } 1 .. 3000;
mkdir $ARGV[0] or die $!;
for my $package (1 .. 1500) {
  mkdir "$ARGV[0]/$package" or die $!;
  for my $file (1 .. 30) {
    open my $out, '>', "$ARGV[0]/$package/$file.js" or die $!;
    print $out join(' ', map { $words[rand @words] } 1 .. 12), ";\n" for 1 .. 75;
  }
}
"#;

pub(crate) fn measure(_: &Peers) {
    let daemon = Daemon::start();
    let user = daemon.user("bench@example.com");
    let tree = WorkTree::with_pack("null");
    tree.write_program("pack/bin/compile", COMPILE);
    tree.write("pack/modules.pl", MODULES);
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let app = format!("rebuild-{round}");
        daemon.client(&user, &["apps:create", &app]);
        daemon.client(&user, &["buildpacks:set", "./pack", "--app", &app]);
        first.push(push(&daemon, &user, &tree, &app));
        // The cache is unpacked when the release is made.
        until(|| is_unpacked(&daemon.data_dir().join("caches")));
        again.push(push(&daemon, &user, &tree, &app));
    }
    let (first, again) = (median("first", first), median("again", again));
    table::compare("rebuild of an unchanged app, without compiling", again, first, 0.15);
}

/// Whether there is a cache's folder, and none that is being made.
fn is_unpacked(caches: &Path) -> bool {
    let names: Vec<_> =
        std::fs::read_dir(caches).expect("the daemon has made it").flatten().map(|entry| entry.file_name()).collect();
    !names.is_empty() && !names.iter().any(|name| name.to_string_lossy().starts_with("incoming-"))
}

/// Pushes another commit of the same files.
fn push(daemon: &Daemon, user: &User, tree: &WorkTree, app: &str) -> Duration {
    tree.commit("another");
    let start = Instant::now();
    let pushed = tree.push_http(daemon, user, app);
    let taken = start.elapsed();
    assert!(pushed.ok, "{}", pushed.transcript);
    let compiling = pushed.transcript.split_once("compile took ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    taken.saturating_sub(Duration::from_nanos(compiling.expect("the pack says it")))
}
