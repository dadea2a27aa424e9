//! The Heroku CLI and hoist's own, given the same words, print the same data.

use super::shop;
use crate::harness::{HOIST, Heroku};

/// Compares standard output. What hoist adds of its own (`Git SSH URL`, what a release was built with) and what only Heroku's has
/// for services that hoist has not are named here, and nothing else may differ.
fn check(heroku: &Heroku, line: &str) {
    const HOISTS: [&str; 3] = ["Git SSH URL:", "git_ssh_url=", "Buildpacks:"];
    const HEROKUS: [&str; 3] = ["Dynos:", "addons=", "dynos="];
    // Which hoist's do not come from.
    const REGISTRY: &str = " (from the Heroku Buildpack Registry)";
    let told = |program: &str| {
        let mut command = heroku.command(program);
        command.args(line.split(' '));
        let told = heroku.told(command, b"");
        let is_common = |line: &&str| !line.starts_with("E>") && !HOISTS.iter().chain(&HEROKUS).any(|own| line.starts_with(own));
        // The columns of `info` are as wide as its longest name.
        told.lines()
            .filter(is_common)
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n")
            .collect::<String>()
    };
    let herokus = told("heroku").replace(REGISTRY, "").replace("Classic Buildpack", "Buildpack");
    let hoists = told(HOIST);
    assert_eq!(herokus.trim_end(), hoists.trim_end(), "`{line}`: Heroku's, then hoist's");
    assert!(!herokus.trim().is_empty(), "{line}");
}

#[test]
fn the_same_words_print_the_same() {
    let Some(heroku) = shop("web: ./serve\nrelease: echo migrated\n") else { return };
    heroku.daemon.client(&heroku.user, &["config:set", "GREETING=hello", "NAME=it's two words", "-a", "shop"]);
    heroku.daemon.client(&heroku.user, &["pipelines:create", "pipe", "-s", "staging", "-a", "shop"]);
    let lines = [
        "apps",
        "apps:info",
        "apps:info -s",
        "config",
        "config -s",
        "config -j",
        "releases",
        "releases:info v2",
        "releases:output v2",
        "buildpacks",
        "access",
        "keys",
        "pipelines",
        "pipelines:info pipe",
        "ps",
        "ps:scale",
    ];
    // Two at a time: each start of node is half a second of waiting.
    std::thread::scope(|scope| {
        let (first, second) = lines.split_at(lines.len() / 2);
        scope.spawn(|| first.iter().for_each(|line| check(&heroku, line)));
        scope.spawn(|| second.iter().for_each(|line| check(&heroku, line)));
    });
}
