//! From the wish for a sandbox to the first output of a command in it, against `docker run` of the same root file
//! system.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command as Program, Stdio};
use std::time::{Duration, Instant};

use hoist::config::Network;
use hoist::engine::{Command, Engine, Exit, Kind, Settings, Spec};
use hoist::model::Limits;
use tokio::runtime::Runtime;

use crate::harness::{HOIST, stacks_dir};
use crate::measure::in_turns;
use crate::peers::Peers;
use crate::table;

const ROUNDS: usize = 25;

pub(crate) fn measure(peers: &Peers) {
    let Some(docker) = &peers.docker else {
        println!("  skipped: no docker; run scripts/bench");
        return;
    };
    let work_dir = tempfile::tempdir().expect("a temporary folder can be made");
    let runtime = Runtime::new().expect("a runtime can be started");
    let engine = runtime.block_on(open_engine(work_dir.path()));
    let stack =
        hoist::stack::find(&stacks_dir(), &"debian-12".parse().expect("it is a stack's name")).expect("the stack is built");
    let hoist = |_| runtime.block_on(first_output(&engine, &stack.build_root));
    let medians = in_turns(ROUNDS, hoist, |_| docker_first_output(&docker.image));
    table::compare("sandbox start to first output", medians.hoist, medians.peer, 0.06);
}

pub(crate) async fn open_engine(work_dir: &Path) -> Engine {
    let settings = Settings {
        kind: Kind::Sandbox,
        helper: HOIST.into(),
        work_dir: work_dir.to_owned(),
        ca_bundle: Network::default().ca_bundle(),
        allow_networks: Vec::new(),
    };
    Engine::open(settings).await.expect("this host can run sandboxes")
}

/// Starts an environment as for a build.
async fn first_output(engine: &Engine, root: &Path) -> Duration {
    let limits = Limits::default();
    let start = Instant::now();
    let spec = Spec {
        root: root.to_owned(),
        name: "bench".into(),
        memory_bytes: limits.build_memory_bytes,
        pids: limits.build_pids,
        cpus: limits.build_cpus,
        disk_bytes: limits.build_disk_bytes,
        network: true,
    };
    let environment = engine.start(spec).await.expect("an environment starts");
    let echo = Command {
        argv: vec!["/bin/echo".into(), "hi".into()],
        env: [("PATH".into(), "/usr/bin:/bin".into())].into(),
        cwd: "/".into(),
        needs_network: false,
        timeout: Duration::from_secs(30),
    };
    let mut first = None;
    let exit = environment.run(echo, |_, _| _ = first.get_or_insert_with(|| start.elapsed())).await;
    assert_eq!(exit.expect("the command runs"), Exit::Code(0));
    environment.stop().await.expect("the environment stops");
    first.expect("echo has said something")
}

fn docker_first_output(image: &str) -> Duration {
    let start = Instant::now();
    let mut docker = Program::new("docker")
        .args(["run", "--rm", image, "/bin/echo", "hi"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("docker can be started");
    let mut stdout = docker.stdout.take().expect("it is a pipe");
    stdout.read_exact(&mut [0; 1]).expect("docker hands the output on");
    let first = start.elapsed();
    assert!(docker.wait().is_ok_and(|status| status.success()), "docker run failed");
    first
}
