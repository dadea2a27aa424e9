//! Clones whose history is cut off.

use super::{FEW_WAYS, WAYS, World, compare_step};

#[test]
fn depths() {
    let world = World::with_history();
    for way in WAYS {
        world.compare(way, &[&["clone", "-q", "--depth=1"]]);
    }
    for way in FEW_WAYS {
        world.compare(
            way,
            &[
                &["clone", "-q", "--depth=2", "--no-single-branch"],
                &["fetch", "-q", "--depth=4"],
                &["fetch", "-q", "--deepen=2"],
                &["fetch", "-q", "--depth=1"],
                &["fetch", "-q", "--depth=100"],
            ],
        );
        world.compare(way, &[&["clone", "-q", "--depth=3"], &["fetch", "-q", "--unshallow"], &["fetch", "-q", "--tags"]]);
        world.compare(way, &[&["clone", "-q"], &["fetch", "-q", "--depth=2"], &["fetch", "-q", "--unshallow"]]);
    }
}

#[test]
fn times_and_refs() {
    let world = World::with_history();
    let since = format!("--shallow-since={}", 1_700_000_000 + 3600 * 9);
    for way in FEW_WAYS {
        world.compare(way, &[&["clone", "-q", &since], &["fetch", "-q", "--unshallow"]]);
        world.compare(way, &[&["clone", "-q", "--shallow-exclude=v1"], &["fetch", "-q", "--deepen=1"]]);
        world.compare(way, &[&["clone", "-q", "--shallow-exclude=side", "--no-single-branch"]]);
        world.compare(
            way,
            &[&["clone", "-q", "--depth=1"], &["fetch", "-q", "--shallow-exclude=light"], &["fetch", "-q", &since]],
        );
        let [ours, _] = world.compare(way, &[&["clone", "-q", "--shallow-exclude=nothing-like-it"]]);
        let said = ours.fail(&["clone", "-q", "--shallow-exclude=nothing-like-it"]);
        assert!(said.contains("ambiguous deepen-not: nothing-like-it"), "{said}");
        let [ours, _] = world.compare(way, &[&["clone", "-q", "--shallow-since=1900000000"]]);
        let said = ours.fail(&["clone", "-q", "--shallow-since=1900000000"]);
        assert!(said.contains("no commits selected for shallow requests"), "{said}");
    }
}

#[test]
fn a_shallow_clone_goes_on_being_one() {
    let world = World::with_history();
    let pairs = FEW_WAYS.map(|way| (way, world.compare(way, &[&["clone", "-q", "--depth=2"]])));
    world.tree.write("new", "new\n");
    world.commit_at(60, "new");
    world.tree.git(&["checkout", "-q", "-b", "old", "HEAD~8"]);
    world.tree.write("old", "from before\n");
    world.commit_at(61, "old");
    world.tree.git(&["checkout", "-q", "main"]);
    world.tree.git(&["merge", "-q", "-m", "what is old", "old"]);
    world.publish_all();
    for (way, clients) in &pairs {
        compare_step(clients, *way, &["fetch", "-q"]);
        compare_step(clients, *way, &["fetch", "-q", "--depth=3"]);
        compare_step(clients, *way, &["fetch", "-q", "--unshallow"]);
    }
}
