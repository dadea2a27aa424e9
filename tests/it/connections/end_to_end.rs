//! The whole way, with a daemon and git's own server in the place of a forge's: push there, webhook, build, release, and what
//! the forge is told. What each phase takes is printed.

use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use super::site::{Site, Wanted, Way};
use crate::harness::{Daemon, Forge, WorkTree, until};

/// When what has happened, from when the webhook was sent.
#[derive(Debug)]
struct Times {
    answered: Duration,
    /// As the git server has seen it.
    fetch: (Duration, Duration),
    /// As the build's output has said so.
    packing: Duration,
    released: Duration,
    /// As the forge has heard.
    told: Duration,
}

/// Tells of a push, follows what comes of it to its end, and notes the times.
fn follow(site: &Site, name: &str) -> Times {
    let (before, after) = site.publish(name);
    let start = Instant::now();
    site.tell_push(name, &before, &after);
    let answered = start.elapsed();
    until(|| !site.builds_of(&after).is_empty());
    let output = ureq::get(site.builds_of(&after)[0]["output_stream_url"].as_str().unwrap()).call().unwrap();
    let (mut packing, mut released) = (None, None);
    for line in BufReader::new(output.into_body().into_reader()).lines().map(Result::unwrap) {
        if line.contains("Compressing") {
            packing = Some(start.elapsed());
        } else if line.contains("Released") {
            released = Some(start.elapsed());
        }
    }
    until(|| {
        let kept = site.api.kept.state.lock().unwrap();
        kept.set_statuses.iter().any(|(commit, status)| *commit == after && status["state"] == "success")
    });
    let told = start.elapsed();
    assert_eq!(site.deploys().last(), Some(&format!("Deploy {}", &after[..8])));
    let (asked, served) = site.forge.served_since(start).expect("it was fetched");
    Times { answered, fetch: (asked - start, served - start), packing: packing.unwrap(), released: released.unwrap(), told }
}

fn print(way: &str, times: &Times) {
    let Times { answered, fetch: (asked, fetched), packing, released, told } = *times;
    eprintln!(
        "{way}: webhook answered in {answered:?} (it is to be within 1 s); fetched in {:?}, built in {:?}, packed and released in {:?}, \
         told {:?} later; {told:?} in all, {asked:?} of it before the first question to the git server",
        fetched.saturating_sub(asked),
        packing.saturating_sub(fetched),
        released.saturating_sub(packing),
        told.saturating_sub(released),
    );
}

#[test]
fn a_folder_of_what_was_pushed_there_is_released_here() {
    let site = Site::new(&Wanted::default());
    site.tree.move_into("apps/shop");
    site.daemon.client(&site.user, &["apps:root", "apps/shop", "--app", "shop"]);
    follow(&site, "second");
    let log = site.daemon.client(&site.user, &["builds:output", "--app", "shop"]);
    assert!(log.contains("-----> Using the folder apps/shop of the source"), "{log}");
}

#[test]
fn a_push_there_is_released_here() {
    let ways = [
        ("over HTTP", Way::Token, "gitea"),
        ("over SSH", Way::Ssh, "github"),
        ("over SSH, with a token for the API", Way::SshAndToken, "github"),
    ];
    for (name, way, provider) in ways {
        let site = Site::new(&Wanted { provider, way, ..Wanted::default() });
        print(name, &follow(&site, "second"));
        let head = site.tree.git(&["rev-parse", "HEAD"]).trim().to_owned();
        // A copy of the delivery.
        site.tell_push("second", &"0".repeat(40), &head);
        print(name, &follow(&site, "third"));
        assert_eq!(site.statuses(), ["succeeded", "succeeded"], "the copy has built nothing");
    }
}

#[test]
fn a_branch_is_deployed_by_hand() {
    let site = Site::new(&Wanted::default());
    site.daemon.client(&site.user, &["github:deploy", "--app", "shop"]);
    let head = site.tree.git(&["rev-parse", "HEAD"]);
    assert_eq!(site.deploys(), [format!("Deploy {}", &head[..8])]);
    let listed = site.daemon.client(&site.user, &["github:deploys", "--app", "shop"]);
    assert!(listed.contains("manual") && listed.contains(&head[..8]), "{listed}");
    let mut missing = site.daemon.hoist(&["github:deploy", "nowhere", "--app", "shop"]);
    missing.env("HOIST_URL", format!("http://{}", site.daemon.http)).env("HOIST_API_KEY", &site.user.token);
    let output = missing.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("It was not deployed: "), "{said}");
}

#[test]
fn a_key_that_hoist_has_made_opens_a_repository_over_ssh() {
    let config = "engine = \"local\"\n[network]\nallow = [\"127.0.0.0/8\"]\n[gitea]\n";
    let (daemon, forge, tree) = (Daemon::start_with(config), Forge::start(), WorkTree::with_pack("null"));
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
    forge.publish("octo/shop", &tree);
    let known_hosts = daemon.data_dir().join("known_hosts");
    std::fs::write(&known_hosts, forge.known_hosts("host_key")).unwrap();
    let (url, known_hosts) = (forge.ssh_url("octo/shop"), known_hosts.to_str().unwrap().to_owned());
    let connect = ["github:connect", "octo/shop", "--provider", "gitea", "--clone-url", &url, "--branch", "main"];
    let with = ["--new-deploy-key", "--known-hosts", &known_hosts, "--app", "shop"];
    let said = daemon.client(&user, &[&connect[..], &with].concat());
    let (_, key) = said.split_once("=== Deploy key for octo/shop\n\n").unwrap_or_else(|| panic!("{said}"));
    forge.authorize(key.trim());
    daemon.client(&user, &["github:deploy", "--app", "shop"]);
    let deployed = daemon.releases(&user, "shop").into_iter().filter(|(_, what)| what.starts_with("Deploy")).count();
    assert_eq!(deployed, 1);
}
