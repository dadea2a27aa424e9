//! What the engine of containers does in its own way: the images of roots, and what becomes of it when its daemon is killed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::Stdio;

use hoist::engine::{Engine, Exit, Kind, Spec};

use super::engine::{Fixture, left_of, settings, sh, spec};
use super::harness::{Daemon, Docker, User, WorkTree, normalise, run, until};

/// The images of a root.
fn images_of(docker: &Docker, root: &Path) -> Vec<String> {
    let label = format!("label=hoist.root={}", root.display());
    let listed = run(&mut docker.command(&["images", "--quiet", "--filter", &label]));
    listed.lines().map(str::to_owned).collect()
}

/// A root of a test's own: a shell that needs no library, and who runs it.
async fn small_root(engine: &Engine, dest: &Path) {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, mode: u32, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, content).unwrap();
    };
    add("bin/sh", 0o755, &std::fs::read("/bin/busybox").unwrap());
    add("etc/passwd", 0o644, b"app:x:1000:1000::/app:/bin/sh\n");
    engine.unpack_root(&tar.into_inner().unwrap()[..], dest).await.unwrap();
}

#[tokio::test]
async fn a_root_becomes_an_image_once_and_goes_with_it() {
    let Some(docker) = Docker::get() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (work_dir, root) = (dir.path().join("work"), dir.path().join("root"));
    let engine = Engine::open(settings(Kind::Docker(docker.engine()), &work_dir)).await.unwrap();
    // It has no C library: hoist's processes bring their own.
    small_root(&engine, &root).await;
    let spec = Spec { root: root.clone(), ..spec() };
    let (one, other) = tokio::join!(engine.start(spec.clone()), engine.start(spec.clone()));
    let images = images_of(docker, &root);
    assert_eq!(images.len(), 1, "{images:?}");
    let (one, other) = (one.unwrap(), other.unwrap());
    let mut command = sh("");
    command.argv = ["/bin/sh", "-c", "echo text"].map(str::to_owned).to_vec();
    assert_eq!(one.run(command, |_, piece| assert_eq!(piece, b"text\n")).await.unwrap(), Exit::Code(0));
    one.stop().await.unwrap();
    other.stop().await.unwrap();

    // Whoever tidies the Engine up costs time, no build.
    run(&mut docker.command(&["rmi", &images[0]]));
    engine.start(spec.clone()).await.unwrap().stop().await.unwrap();
    assert_eq!(images_of(docker, &root).len(), 1);
    engine.remove_root(&root).await.unwrap();
    assert_eq!(images_of(docker, &root), Vec::<String>::new());
    assert!(!root.exists());

    // One whose root goes behind hoist's back goes at the next start.
    small_root(&engine, &root).await;
    engine.start(spec).await.unwrap().stop().await.unwrap();
    std::fs::remove_dir_all(&root).unwrap();
    Engine::open(settings(Kind::Docker(docker.engine()), &work_dir)).await.unwrap();
    assert_eq!(images_of(docker, &root), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_crash_of_the_engine_leaves_goes_at_the_next_start() {
    let Some(docker) = Docker::get() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (work_dir, root) = (dir.path().join("work"), dir.path().join("root"));
    let kind = Kind::Docker(docker.engine());
    let engine = Engine::open(settings(kind.clone(), &work_dir)).await.unwrap();
    small_root(&engine, &root).await;
    let spec = Spec { root: root.clone(), network: true, ..spec() };
    engine.start(spec).await.unwrap().stop().await.unwrap();
    let image = images_of(docker, &root).remove(0);
    let own = format!("hoist.work-dir={}", work_dir.display());
    let make = |label: &str| run(&mut docker.command(&["create", "--label", label, &image, "sh"]));
    make(&own);
    let another = make("hoist.work-dir=/another");
    let networks = || run(&mut docker.command(&["network", "ls", "--quiet", "--filter", &format!("label={own}")]));
    assert_ne!((left_of(&kind, &work_dir), networks()), (String::new(), String::new()));

    Engine::open(settings(kind.clone(), &work_dir)).await.unwrap();
    assert_eq!((left_of(&kind, &work_dir), networks()), (String::new(), String::new()));
    // Another daemon's is still there.
    run(&mut docker.command(&["rm", another.trim()]));
    engine.remove_root(&root).await.unwrap();
}

#[tokio::test]
async fn a_strangers_image_is_no_root() {
    let Some(docker) = Docker::get() else { return };
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(settings(Kind::Docker(docker.engine()), &dir.path().join("work"))).await.unwrap();
    let error = engine.check_strangers_roots().unwrap_err();
    assert_eq!(error.to_string(), "commands of an image can't be run with the engine `docker`, only with `sandbox`");
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_said_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let docker = hoist::docker::Docker::new(hoist::docker::Settings {
        socket: dir.path().join("nobody.sock"),
        owner: "test".into(),
        builder: None,
        network: None,
        cgroup_parent: None,
        pull: hoist::docker::Pull::Always,
    });
    let error = Engine::open(settings(Kind::Docker(docker), dir.path())).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, format!("no Docker Engine answers at {}", dir.path().join("nobody.sock").display()));
}

#[tokio::test]
async fn a_command_that_reads_nothing_is_ended_in_time() {
    let Some(docker) = Docker::get() else { return };
    let fixture = Fixture::start(Kind::Docker(docker.engine()), spec()).await;
    let mut command = sh("sleep 1000");
    command.timeout = std::time::Duration::from_millis(300);
    let run = fixture.environment.run_attached(command, None, tokio::io::repeat(7), tokio::io::sink());
    assert_eq!(run.await.unwrap(), Some(Exit::TimedOut));
    assert_eq!(fixture.sh("ps -A -o comm= | grep -c sleep").await.1, "0\n");
}

#[tokio::test]
async fn deleted_files_count_also_while_nobody_reads_the_output() {
    let Some(docker) = Docker::get() else { return };
    let fixture = Fixture::start(Kind::Docker(docker.engine()), spec()).await;
    // The files come when nothing more of the output is taken.
    let script = "cd /tmp; yes & sleep 2
        for i in $(seq 8); do (head -c 10M /dev/zero; sleep 1000) > part & sleep 0.1; rm part; done; wait";
    let (writer, reader) = tokio::io::duplex(1);
    let run = fixture.environment.run_attached(sh(script), None, tokio::io::empty(), writer);
    let stop_reading = async {
        tokio::time::sleep(std::time::Duration::from_secs(15)).await;
        drop(reader);
    };
    // A command that still runs when its reader goes ends without telling how.
    assert_eq!(tokio::join!(run, stop_reading).0.unwrap(), Some(Exit::OutOfDisk));
}

/// Set to the work folder for the daemon that is to be killed, and to the Docker Engine's socket.
const VICTIM: &str = "HOIST_TEST_VICTIM_WORK_DIR";
const SOCKET: &str = "HOIST_TEST_DOCKER_SOCKET";

#[tokio::test]
async fn nothing_outlives_a_killed_daemon() {
    let test = "engine_docker::nothing_outlives_a_killed_daemon";
    if let (Some(work_dir), Some(socket)) = (std::env::var_os(VICTIM), std::env::var_os(SOCKET)) {
        let kind = Kind::Docker(Docker::engine_at(socket.into()));
        let engine = Engine::open(settings(kind, Path::new(&work_dir))).await.unwrap();
        let environment = engine.start(spec()).await.unwrap();
        let command = sh("setsid sleep 1000 & echo; echo is running; wait");
        environment.run(command, |_, piece| std::io::stdout().write_all(piece).unwrap()).await.unwrap();
    }
    let Some(docker) = Docker::get() else { return };
    let work_dir = tempfile::tempdir().unwrap();
    let mut daemon = std::process::Command::new(std::env::current_exe().unwrap());
    daemon.args(["--exact", test, "--nocapture"]).env(VICTIM, work_dir.path()).env(SOCKET, docker.socket());
    let mut daemon = daemon.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(daemon.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "is running"));
    let kind = Kind::Docker(docker.engine());
    assert_ne!(left_of(&kind, work_dir.path()), "");
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    until(|| left_of(&kind, work_dir.path()).is_empty());
}

/// The configuration of a daemon that runs builds in this Docker Engine.
pub(crate) fn config(docker: &Docker) -> String {
    format!("engine = \"docker\"\n[docker]\nhost = \"unix://{}\"\n", docker.socket().display())
}

/// What a pusher reads, and what became of it: an app for each of these buildpacks.
const PACKS: [&str; 4] = ["null", "eats-memory", "fills-disk", "forks"];

/// Pushes an app and runs a command in it; returns all that was said.
fn story(daemon: &Daemon, user: &User, pack: &str) -> String {
    daemon.client(user, &["apps:create", pack]);
    daemon.client(user, &["buildpacks:set", "./pack", "--app", pack]);
    let tree = WorkTree::with_pack(pack);
    tree.write("Procfile", "release: id -u && echo migrating\nweb: ./serve\n");
    tree.commit("a release command");
    let pushed = tree.push_ssh(daemon, user, pack);
    let mut said = pushed.transcript;
    if pack == "null" {
        assert!(pushed.ok, "{said}");
        said += &daemon.client(user, &["run", "--no-tty", "--app", pack, "id; ulimit -c; pwd; ls"]);
    }
    said.lines().filter(|line| line.starts_with("remote: ") || !line.contains("remote:")).map(normalise).collect()
}

#[test]
fn pushers_read_the_same_whatever_their_code_runs_in() {
    let Some(docker) = Docker::get() else { return };
    let limits = "[limits]\nbuild_memory_bytes = 67108864\nbuild_disk_bytes = 16777216\nbuild_pids = 32\n";
    let [sandbox, containers] = [String::new(), config(docker)].map(|engine| {
        let daemon = Daemon::start_with(&format!("{engine}{limits}"));
        let user = daemon.user("alice@example.com");
        PACKS.map(|pack| story(&daemon, &user, pack))
    });
    assert!(sandbox[0].contains("migrating"), "{}", sandbox[0]);
    for (in_sandbox, in_container) in sandbox.iter().zip(&containers) {
        assert_eq!(in_sandbox, in_container);
    }
}

/// Good and bad ends that need nothing of what only some engines can do.
const CONTRACT: [&str; 8] = ["null", "exports", "noisy", "fails", "refuses", "release-fails", "release-rambles", "half"];

#[test]
fn pushers_read_the_same_with_every_engine() {
    let docker = Docker::get().map(config);
    let engines = [Some(String::new()), Some("engine = \"local\"\n".to_owned()), docker];
    let told = engines.into_iter().flatten().map(|engine| {
        let daemon = Daemon::start_with(&engine);
        let user = daemon.user("alice@example.com");
        CONTRACT.map(|pack| {
            daemon.client(&user, &["apps:create", pack]);
            daemon.client(&user, &["buildpacks:set", "./pack", "--app", pack]);
            // One of them is a pack with half of what it needs.
            let tree = WorkTree::with_pack(if pack == "half" { "null" } else { pack });
            if pack == "half" {
                std::fs::remove_file(tree.path().join("pack/bin/compile")).unwrap();
            }
            tree.write("Procfile", "release: echo migrating $DYNO; exit 3\nweb: ./serve\n");
            tree.commit("a release command that fails");
            let pushed = tree.push_ssh(&daemon, &user, pack);
            (pushed.transcript, daemon.releases(&user, pack))
        })
    });
    let told: Vec<_> = told.collect();
    assert!(told[0][0].0.contains("migrating"), "{}", told[0][0].0);
    for other in &told[1..] {
        for (sandbox, other) in told[0].iter().zip(other) {
            assert_eq!(sandbox, other);
        }
    }
}
