//! Many at once: nothing is lost, nothing is twice, nothing is missing.

use serde_json::{Value, json};

use crate::harness::{Daemon, Gated, User, wait};

fn set(daemon: &Daemon, user: &User, key: &str, value: &str) {
    let url = format!("http://{}/apps/shop/config-vars", daemon.http);
    let request = ureq::patch(url).header("Authorization", format!("Bearer {}", user.token));
    request.send_json(json!({key: value})).unwrap();
}

fn config_of(daemon: &Daemon, user: &User, version: u64) -> Value {
    daemon.get(user, &format!("/apps/shop/releases/{version}/config-vars"))
}

#[test]
fn a_config_change_during_a_build_is_in_its_release() {
    let gated = Gated::new();
    let push = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["-oconfig:PUSHED=1", "main"]);
    gated.until_builds(1, "pending");
    set(&gated.daemon, &gated.user, "MEANWHILE", "1");
    gated.open_gate();
    let pushed = wait(push);
    assert!(pushed.ok, "{}", pushed.transcript);
    let releases = gated.daemon.releases(&gated.user, "shop");
    assert_eq!(releases[2].1, "Set MEANWHILE config vars");
    assert!(releases[3].1.starts_with("Deploy ") && releases[3].1.ends_with("; Set PUSHED config vars"), "{releases:?}");
    let config = config_of(&gated.daemon, &gated.user, 4);
    assert_eq!((&config["MEANWHILE"], &config["PUSHED"]), (&json!("1"), &json!("1")));
}

#[test]
fn fifty_clients_and_builds_at_once() {
    let gated = Gated::new();
    let (daemon, user) = (&gated.daemon, &gated.user);
    let first = gated.tree.start_push(daemon, user, "shop", &["main"]);
    gated.until_builds(1, "pending");
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..50)
            .map(|client| {
                scope.spawn(move || {
                    for change in 0..2 {
                        set(daemon, user, &format!("CLIENT_{client}_{change}"), "1");
                        // Everybody fights for this one.
                        set(daemon, user, "LAST", &format!("{client}_{change}"));
                    }
                })
            })
            .collect();
        gated.open_gate();
        let first = wait(first);
        assert!(first.ok, "{}", first.transcript);
        for commit in ["second", "third"] {
            gated.tree.commit(commit);
            let pushed = gated.tree.push_ssh(daemon, user, "shop");
            assert!(pushed.ok, "{}", pushed.transcript);
        }
        for client in clients {
            client.join().unwrap();
        }
    });

    let url = format!("http://{}/apps/shop/releases", daemon.http);
    let request =
        ureq::get(url).header("Authorization", format!("Bearer {}", user.token)).header("Range", "version ..; max=1000");
    let releases: Vec<Value> = request.call().unwrap().body_mut().read_json().unwrap();
    // v1 and the gate, three deploys, and for each of 100 turns one change of its own and one of the common key.
    let versions: Vec<_> = releases.iter().map(|release| release["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, (1..=205).collect::<Vec<_>>(), "no gap and none twice");
    let descriptions: Vec<_> = releases.iter().filter_map(|release| release["description"].as_str()).collect();
    assert_eq!(descriptions.iter().filter(|description| description.starts_with("Deploy ")).count(), 3);
    let now = config_of(daemon, user, 205);
    for client in 0..50 {
        for change in 0..2 {
            let key = format!("CLIENT_{client}_{change}");
            assert_eq!(now[&key], "1", "lost: {key}");
            assert!(descriptions.contains(&format!("Set {key} config vars").as_str()), "{key}");
        }
    }
    // Each release changed what it says and nothing else.
    let mut before = config_of(daemon, user, 1);
    for release in &releases[1..] {
        let after = config_of(daemon, user, release["version"].as_u64().unwrap());
        let (old, new) = (before.as_object().unwrap(), after.as_object().unwrap());
        let changed: Vec<_> =
            new.iter().filter(|(key, value)| old.get(*key) != Some(value)).map(|(key, _)| key.as_str()).collect();
        let description = release["description"].as_str().unwrap();
        let told: Vec<_> =
            description.strip_prefix("Set ").and_then(|text| text.strip_suffix(" config vars")).into_iter().collect();
        assert_eq!(changed, told, "{description}");
        assert!(old.keys().all(|key| new.contains_key(key)), "{description} lost a key");
        before = after;
    }
    let proof = daemon.get(user, "/apps/shop/releases/verification");
    assert_eq!((&proof["valid"], &proof["releases"]), (&json!(true), &json!(205)));
}
