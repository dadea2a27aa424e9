//! Locks, by the real Git LFS: who has locked a file is the only one to push changes to it.

use serde_json::{Value, json};

use super::{APP, Way, World, content, fails, git, succeeds};

#[test]
fn who_has_locked_a_file_is_the_one_to_push_it() {
    let world = World::start();
    let tree = world.tree(Way::Http, &world.alice, &content(1, 1000));
    succeeds(&mut git(&tree, &world.alice, &["push", "hoist", "main"]));
    world.daemon.client(&world.alice, &["access:add", "bob@example.com", "--permissions", "deploy", "--app", APP]);
    tree.git(&["remote", "add", "bob", &world.url(Way::Ssh, &world.bob)]);

    let locked = succeeds(&mut git(&tree, &world.alice, &["lfs", "lock", "--remote", "hoist", "art/big.bin"]));
    assert!(locked.contains("Locked art/big.bin"), "{locked}");
    let refused = fails(&mut git(&tree, &world.bob, &["lfs", "lock", "--remote", "bob", "art/big.bin"]));
    assert!(refused.contains("Lock exists") || refused.contains("is locked by alice@example.com"), "{refused}");
    let listed = succeeds(&mut git(&tree, &world.bob, &["lfs", "locks", "--remote", "bob"]));
    assert!(listed.contains("art/big.bin") && listed.contains("alice@example.com"), "{listed}");
    let ours = succeeds(&mut git(&tree, &world.alice, &["lfs", "locks", "--verify", "--remote", "hoist"]));
    assert!(ours.starts_with("O art/big.bin"), "{ours}");

    std::fs::write(tree.path().join("art/big.bin"), content(2, 1000)).unwrap();
    tree.commit("changed");
    let refused = fails(&mut git(&tree, &world.bob, &["-c", "lfs.locksverify=true", "push", "bob", "main"]));
    assert!(refused.contains("art/big.bin - alice@example.com"), "{refused}");
    let refused = fails(&mut git(&tree, &world.bob, &["lfs", "unlock", "--remote", "bob", "art/big.bin"]));
    assert!(refused.contains("alice@example.com"), "{refused}");
    succeeds(&mut git(&tree, &world.bob, &["lfs", "unlock", "--force", "--remote", "bob", "art/big.bin"]));
    succeeds(&mut git(&tree, &world.bob, &["-c", "lfs.locksverify=true", "push", "bob", "main"]));

    let trail = world.daemon.client(&world.alice, &["audit", "--app", APP, "--json"]);
    assert!(trail.contains("lfs-locks") && trail.contains("art/big.bin"), "{trail}");
}

#[test]
fn locks_are_answered_as_the_specification_has_them() {
    let world = World::start();
    let token = Some(world.alice.token.as_str());
    let ask = |method: &str, path: &str, body: &Value| {
        world.ask((method, &format!("shop.git/info/lfs/locks{path}")), token, &[], body.to_string().as_bytes())
    };
    let empty = ask("POST", "/verify", &json!({})).is(200).json();
    assert_eq!(empty, json!({"ours": [], "theirs": []}));
    let made = ask("POST", "", &json!({"path": "b", "ref": {"name": "refs/heads/main"}})).is(201).json();
    assert_eq!(made["lock"]["owner"]["name"], "alice@example.com");
    let conflict = ask("POST", "", &json!({"path": "b"})).is(409);
    assert_eq!(conflict.json()["lock"], made["lock"]);
    assert_eq!(conflict.message(), "b is locked by alice@example.com.");
    for path in ["a", "c"] {
        ask("POST", "", &json!({"path": path})).is(201);
    }
    ask("POST", "", &json!({"path": ""})).is(422);
    ask("POST", "", &json!({})).is(422);

    let page = ask("GET", "?limit=2", &json!({})).is(200).json();
    assert_eq!((page["locks"][1]["path"].as_str(), page["next_cursor"].as_str()), (Some("b"), Some("b")));
    let rest = ask("GET", "?limit=2&cursor=b", &json!({})).is(200).json();
    assert_eq!((rest["locks"][0]["path"].as_str(), rest.get("next_cursor")), (Some("c"), None));
    assert_eq!(ask("GET", "?path=b", &json!({})).is(200).json()["locks"], json!([made["lock"]]));
    assert_eq!(ask("GET", "?id=unknown", &json!({})).is(200).json()["locks"], json!([]));
    ask("GET", "?limit=many", &json!({})).is(422);

    let id = made["lock"]["id"].as_str().unwrap();
    assert_eq!(ask("POST", &format!("/{id}/unlock"), &json!({"force": false})).is(200).json(), made);
    ask("POST", &format!("/{id}/unlock"), &json!({})).is(404);
    ask("POST", "/unknown/unlock", &json!({})).is(404);
}
