//! Fetches into clones that have something already.

use std::fmt::Write as _;

use super::{FEW_WAYS, HTTP_2, WAYS, Way, World, compare_step};

#[test]
fn what_is_new_and_nothing_else() {
    let world = World::with_history();
    let pairs = WAYS.map(|way| (way, world.compare(way, &[&["clone", "-q"]])));
    for number in 0..40 {
        world.tree.write("README", &format!("{}\nnew {number}\n", "some text that stays as it is\n".repeat(30)));
        world.commit_at(60 + number, &format!("new {number}"));
    }
    world.tree.git(&["checkout", "-q", "-b", "feature", "side"]);
    world.tree.write("feature", "new\n");
    world.commit_at(110, "feature");
    world.tree.git(&["merge", "-q", "-m", "main into feature", "main"]);
    world.tree.git(&["tag", "-a", "-m", "two", "v2"]);
    world.tree.git(&["checkout", "-q", "main"]);
    world.publish_all();
    for (way, clients) in &pairs {
        compare_step(clients, *way, &["fetch", "-q"]);
        compare_step(clients, *way, &["fetch", "-q"]);
        assert!(clients[0].run(&["tag"]).contains("v2"), "tags follow");
    }
    // A branch that was replaced.
    world.tree.git(&["checkout", "-q", "-B", "feature", "HEAD~20"]);
    world.tree.write("feature", "another\n");
    world.commit_at(120, "replaced");
    world.tree.git(&["checkout", "-q", "main"]);
    world.publish_all();
    for (way, clients) in &pairs {
        compare_step(clients, *way, &["fetch", "-q"]);
        compare_step(
            clients,
            *way,
            &["fetch", "-q", "--prune", "origin", "+refs/tags/*:refs/other/*", "+refs/heads/*:refs/more/*"],
        );
    }
}

#[test]
fn a_pull_brings_the_work_tree_along() {
    let world = World::with_history();
    let pairs = FEW_WAYS.map(|way| (way, world.compare(way, &[&["clone", "-q"]])));
    world.tree.write("new", "new\n");
    world.commit_at(60, "new");
    world.publish_all();
    for (way, clients) in &pairs {
        compare_step(clients, *way, &["pull", "-q", "--ff-only"]);
        assert_eq!(std::fs::read_to_string(clients[0].dir.join("new")).unwrap(), "new\n");
    }
}

/// A clone whose own commits the server does not know has to look for what is common.
#[test]
fn much_of_the_clients_own_is_passed_over() {
    let world = World::with_history();
    let pairs = WAYS.map(|way| (way, world.compare(way, &[&["clone", "-q"]])));
    world.tree.write("new", "new\n");
    world.commit_at(1000, "new");
    world.publish_all();
    for (way, clients) in &pairs {
        for client in clients {
            client.run(&["config", "user.name", "B"]);
            client.run(&["config", "user.email", "b@example.com"]);
            let mut stream = String::new();
            for number in 0..300 {
                let from = if number == 0 { "from refs/remotes/origin/main\n" } else { "" };
                let time = 1_800_000_000 + number;
                writeln!(stream, "commit refs/heads/own\ncommitter B <b@example.com> {time} +0000\ndata 1\nx\n{from}").unwrap();
            }
            let file = client.dir.join("stream");
            std::fs::write(&file, stream).unwrap();
            let mut import = client.command(&["fast-import", "--quiet"]);
            assert!(import.stdin(std::fs::File::open(file).unwrap()).status().unwrap().success());
        }
        compare_step(clients, *way, &["fetch", "-q"]);
        compare_step(clients, *way, &["-c", "fetch.negotiationAlgorithm=skipping", "fetch", "-q"]);
        compare_step(clients, *way, &["-c", "fetch.negotiationAlgorithm=noop", "fetch", "-q"]);
    }
}

#[test]
fn deltas_build_upon_what_the_client_has() {
    let world = World::start();
    let noise: Vec<_> = (0..4000_u64).map(|n| format!("{:x}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    world.tree.write("large", &noise.concat());
    world.commit_at(0, "first");
    world.publish_all();
    for way in FEW_WAYS {
        let clients = world.compare(way, &[&["clone", "-q"]]);
        let hours = usize::from(way.version) + 10 * usize::from(way.is_ssh) + 1;
        world.tree.write("large", &(noise.concat() + &format!("{hours}\n")));
        world.commit_at(hours, "a line more");
        world.publish_all();
        let output = clients[0].command(&["fetch"]).env("GIT_TRACE_PACKET", clients[0].dir.join("trace")).output().unwrap();
        assert!(output.status.success());
        let trace = std::fs::metadata(clients[0].dir.join("trace")).unwrap().len();
        assert!(trace < 30_000, "{way:?}: more than a few hundred bytes have come: {trace}");
        clients[1].run(&["fetch", "-q"]);
        compare_step(&clients, way, &["fetch", "-q"]);
    }
}

#[test]
fn objects_are_fetched_by_their_ids() {
    let world = World::with_history();
    let id = |name: &str| world.tree.git(&["rev-parse", name]).trim().to_owned();
    for way in FEW_WAYS {
        for name in ["main~3", "v1-nested", "main:README", "main:src"] {
            let clients = world.clients(way);
            for client in &clients {
                std::fs::create_dir(&client.dir).unwrap();
                client.run(&["init", "-q", "--bare"]);
            }
            compare_step(&clients, way, &["fetch", "-q", "{url}", &id(name)]);
            clients[0].run(&["cat-file", "-e", &id(name)]);
        }
        let nowhere = "1111111111111111111111111111111111111111";
        let [ours, _] = world.compare(way, &[&["clone", "-q"], &["fetch", "-q", "{url}", nowhere]]);
        assert!(ours.fail(&["fetch", "-q", "{url}", nowhere]).contains(&format!("not our ref {nowhere}")));
    }
}

#[test]
fn what_is_common_can_be_asked_for_alone() {
    let world = World::with_history();
    for way in [HTTP_2, Way { is_ssh: true, version: 2 }] {
        let [ours, theirs] = world.compare(way, &[&["clone", "-q"]]);
        let ask = ["fetch", "-q", "--negotiate-only", "--negotiation-tip=main", "origin"];
        assert_eq!(ours.run(&ask), theirs.run(&ask));
        assert_eq!(ours.run(&ask).trim(), world.tree.git(&["rev-parse", "main"]).trim());
    }
}
