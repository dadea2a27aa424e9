//! Clones that leave files out and fetch them when they are needed.

use super::{FEW_WAYS, HTTP_2, Way, World, compare_step};

#[test]
fn filters() {
    let world = World::with_history();
    for way in FEW_WAYS {
        for filter in ["blob:none", "blob:limit=300", "blob:limit=1k", "tree:0", "combine:blob:none+tree:0"] {
            world.compare(way, &[&["clone", "-q", "--no-checkout", &format!("--filter={filter}")]]);
            world.compare(way, &[&["clone", "-q", "--bare", "--single-branch", "-b", "side", &format!("--filter={filter}")]]);
        }
        world.compare(way, &[&["clone", "-q", "--bare", "--filter=blob:none", "--depth=2"]]);
    }
}

#[test]
fn what_was_left_out_is_fetched_when_it_is_needed() {
    let world = World::with_history();
    for way in FEW_WAYS {
        for filter in ["blob:none", "tree:0"] {
            let filter = format!("--filter={filter}");
            let clients = world.compare(way, &[&["clone", "-q", &filter], &["checkout", "-q", "HEAD~6"]]);
            // Each file by itself.
            compare_step(&clients, way, &["log", "-p", "-3", "side"]);
            compare_step(&clients, way, &["fetch", "-q", "--refetch", "--filter=blob:limit=1"]);
        }
    }
    let pairs = FEW_WAYS.map(|way| (way, world.compare(way, &[&["clone", "-q", "--filter=blob:none"]])));
    world.tree.write("README", "short\n");
    world.commit_at(60, "new");
    world.publish_all();
    for (way, clients) in &pairs {
        compare_step(clients, *way, &["pull", "-q", "--ff-only"]);
    }
}

#[test]
fn other_filters_are_refused_in_words() {
    let world = World::with_history();
    for way in [HTTP_2, Way { is_ssh: true, version: 0 }] {
        let [ours, _] = world.clients(way);
        let said = ours.fail(&["clone", "-q", "--filter=tree:3"]);
        assert!(said.contains("tree filter allows max depth 0, but got 3"), "{said}");
        let said = ours.fail(&["clone", "-q", "--filter=sparse:oid=main"]);
        assert!(said.contains("filter 'sparse:oid' not supported"), "{said}");
    }
}
