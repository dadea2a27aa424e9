//! What every engine promises: each test runs on each of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hoist::engine::{Command, Engine, EngineError, Environment, Exit, Kind, Settings, Spec, Stream, wide_pipe};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Mutex;

use crate::harness::{Docker, run, stacks_dir};

pub(crate) const MIB: u64 = 1024 * 1024;

/// An engine of its own with one environment.
pub(crate) struct Fixture {
    pub(crate) kind: Kind,
    pub(crate) engine: Engine,
    pub(crate) environment: Environment,
    pub(crate) work_dir: TempDir,
}

/// The tests' engines share a Docker Engine: the first has it make the stack's image, and the others wait for that.
static STARTING: Mutex<()> = Mutex::const_new(());

impl Fixture {
    pub(crate) async fn start(kind: Kind, spec: Spec) -> Self {
        let work_dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(settings(kind.clone(), work_dir.path())).await.unwrap();
        let environment = {
            let _turn = STARTING.lock().await;
            engine.start(spec).await.unwrap()
        };
        Self { kind, engine, environment, work_dir }
    }

    async fn each() -> Vec<Self> {
        let mut each = Self::isolated().await;
        each.push(Self::start(Kind::Local, spec()).await);
        each
    }

    /// One of each engine that keeps strangers' commands apart.
    pub(crate) async fn isolated() -> Vec<Self> {
        Self::isolated_with(spec()).await
    }

    pub(crate) async fn isolated_with(spec: Spec) -> Vec<Self> {
        let mut isolated = Vec::new();
        for kind in isolating() {
            isolated.push(Self::start(kind, spec.clone()).await);
        }
        isolated
    }

    pub(crate) fn is_docker(&self) -> bool {
        matches!(self.kind, Kind::Docker(_))
    }

    /// Runs a script by `sh` and returns how it ended and what it wrote.
    pub(crate) async fn sh(&self, script: &str) -> (Exit, String) {
        self.run(sh(script)).await
    }

    pub(crate) async fn run(&self, command: Command) -> (Exit, String) {
        let mut output = Vec::new();
        let exit = self.environment.run(command, |_, piece| output.extend_from_slice(piece)).await.unwrap();
        (exit, String::from_utf8_lossy(&output).into_owned())
    }
}

/// The engines that keep strangers' commands apart, as far as they can be had here.
pub(crate) fn isolating() -> Vec<Kind> {
    let docker = Docker::get().map(|docker| Kind::Docker(docker.engine()));
    std::iter::once(Kind::Sandbox).chain(docker).collect()
}

pub(crate) fn settings(kind: Kind, work_dir: &Path) -> Settings {
    Settings {
        kind,
        helper: env!("CARGO_BIN_EXE_hoist").into(),
        work_dir: work_dir.to_owned(),
        ca_bundle: Some("/etc/ssl/certs/ca-certificates.crt".into()),
        allow_networks: Vec::new(),
    }
}

pub(crate) fn spec() -> Spec {
    Spec {
        root: stack_root(),
        name: "test".to_owned(),
        memory_bytes: 256 * MIB,
        pids: 64,
        cpus: 0,
        disk_bytes: 64 * MIB,
        network: false,
    }
}

/// The root file system that `make test` has made.
fn stack_root() -> PathBuf {
    let name = "debian-12".parse().unwrap();
    hoist::stack::find(&stacks_dir(), &name).unwrap().build_root
}

/// What environments have left: files in the work folder, containers in the Docker Engine.
pub(crate) fn left_of(kind: &Kind, work_dir: &Path) -> String {
    let mut left: String = folders_of(work_dir).iter().map(|path| path.display().to_string()).collect();
    if matches!(kind, Kind::Docker(_)) {
        let label = format!("label=hoist.work-dir={}", work_dir.display());
        left += &run(&mut Docker::get().unwrap().command(&["ps", "--all", "--quiet", "--filter", &label]));
    }
    left
}

/// The folders of environments, in the lots of a work folder.
pub(crate) fn folders_of(work_dir: &Path) -> Vec<PathBuf> {
    let paths = |dir: &Path| std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let is_lot = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().parse::<usize>().is_ok();
    let (lots, strays): (Vec<_>, Vec<_>) = paths(work_dir).into_iter().partition(is_lot);
    strays.into_iter().chain(lots.iter().flat_map(|lot| paths(lot))).collect()
}

pub(crate) fn sh(script: &str) -> Command {
    Command {
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin".to_owned())]),
        cwd: "/".to_owned(),
        needs_network: false,
        timeout: Duration::from_mins(1),
    }
}

/// A tar of one entry per name and mode: files hold their own name, names with `->` are symbolic links.
pub(crate) fn tar_of(entries: &[(&str, u32)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, mode) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(*mode);
        header.set_mtime(1);
        if let Some((link, target)) = name.split_once("->") {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            builder.append_link(&mut header, link, target).unwrap();
        } else if name.ends_with('/') {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            builder.append_data(&mut header, name, std::io::empty()).unwrap();
        } else {
            header.set_size(name.len() as u64);
            builder.append_data(&mut header, name, name.as_bytes()).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

/// What a tar holds: names with mode, links with target.
async fn listing(mut tar: impl tokio::io::AsyncRead + Unpin) -> Vec<String> {
    let mut bytes = Vec::new();
    tar.read_to_end(&mut bytes).await.unwrap();
    let mut archive = tar::Archive::new(&bytes[..]);
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        match entry.link_name().unwrap() {
            Some(target) => format!("{name} -> {}", target.display()),
            None => format!("{name} {:o}", entry.header().mode().unwrap()),
        }
    });
    entries.collect()
}

#[tokio::test]
async fn output_comes_in_order_and_by_stream() {
    for fixture in Fixture::each().await {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        let script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done";
        let exit = fixture.environment.run(sh(script), |stream, piece| {
            let text = if stream == Stream::Stdout { &mut stdout } else { &mut stderr };
            text.push_str(std::str::from_utf8(piece).unwrap());
        });
        assert_eq!(exit.await.unwrap(), Exit::Code(0), "{:?}", fixture.kind);
        assert_eq!(stdout, "out 1\nout 2\nout 3\n");
        assert_eq!(stderr, "err 1\nerr 2\nerr 3\n");
    }
}

#[tokio::test]
async fn output_comes_while_the_command_runs() {
    for fixture in Fixture::each().await {
        // The command goes on only once its first line has been answered through the file system.
        let (seen, mut lines) = tokio::sync::mpsc::unbounded_channel();
        let command = sh(&format!("echo one; until [ -e {}/go ]; do :; done; echo two", fixture.environment.path("/tmp")));
        let run = fixture.environment.run(command, |_, piece| seen.send(piece.to_vec()).unwrap());
        let answer = async {
            assert_eq!(lines.recv().await.unwrap(), b"one\n");
            fixture.environment.put_in("/tmp", &tar_of(&[("go", 0o644)])[..]).await.unwrap();
            assert_eq!(lines.recv().await.unwrap(), b"two\n");
        };
        let (exit, ()) = tokio::join!(run, answer);
        assert_eq!(exit.unwrap(), Exit::Code(0));
    }
}

#[tokio::test]
async fn an_attached_command_reads_its_input_and_waits_for_its_reader() {
    for fixture in Fixture::each().await {
        let mut output = Vec::new();
        let run = fixture.environment.run_attached(sh("cat; echo error >&2; exit 4"), None, &b"typed\n"[..], &mut output);
        assert_eq!(run.await.unwrap(), Some(Exit::Code(4)), "{:?}", fixture.kind);
        assert_eq!(String::from_utf8(output).unwrap(), "typed\nerror\n");

        // A reader of one byte at a time gets all of more than the pipes hold.
        let (mut reader, writer) = tokio::io::duplex(1);
        let run = fixture.environment.run_attached(sh("head -c 300000 /dev/zero"), None, tokio::io::empty(), writer);
        let mut taken = Vec::new();
        let (exit, read) = tokio::join!(run, reader.read_to_end(&mut taken));
        assert_eq!((exit.unwrap(), read.unwrap()), (Some(Exit::Code(0)), 300_000));

        let (reader, writer) = tokio::io::duplex(1);
        drop(reader);
        let run = fixture.environment.run_attached(sh("echo text; exec sleep 600"), None, tokio::io::empty(), writer);
        assert_eq!(run.await.unwrap(), None, "nobody reads it, so it is ended");
    }
}

#[tokio::test]
async fn ends_are_told_apart() {
    for fixture in Fixture::each().await {
        assert_eq!(fixture.sh("exit 3").await.0, Exit::Code(3));
        assert_eq!(fixture.sh("kill -TERM $$").await.0, Exit::Signal(15));
        let mut missing = sh("");
        missing.argv = vec!["/no/such/program".to_owned()];
        let (exit, output) = fixture.run(missing).await;
        assert_eq!(exit, Exit::Code(127), "{:?}", fixture.kind);
        assert!(output.starts_with("cannot start /no/such/program in /: "), "{output}");
    }
}

#[tokio::test]
async fn the_environment_is_exactly_what_was_given() {
    for fixture in Fixture::each().await {
        let mut command = sh("");
        command.argv = vec!["/usr/bin/env".to_owned()];
        command.env = BTreeMap::from([("A".to_owned(), "1 \n2".to_owned()), ("B".to_owned(), String::new())]);
        assert_eq!(fixture.run(command).await, (Exit::Code(0), "A=1 \n2\nB=\n".to_owned()), "{:?}", fixture.kind);
    }
}

#[tokio::test]
async fn trees_go_in_and_come_out_unchanged() {
    for fixture in Fixture::each().await {
        let long = "l".repeat(120);
        let tar =
            tar_of(&[("b/", 0o750), ("b/x", 0o644), ("b/run", 0o755), ("a->b/x", 0o777), (&long, 0o600), ("closed/", 0o555)]);
        fixture.environment.put_in("/srv/deep/er", &tar[..]).await.unwrap();
        put_in_piped(&fixture, "/srv/piped", &tar).await.unwrap();
        let piped = listing(fixture.environment.take_out("/srv/piped").await.unwrap()).await;
        assert_eq!(piped, listing(fixture.environment.take_out("/srv/deep/er").await.unwrap()).await);
        let mut command = sh("cat b/x && pwd && echo new > b/new");
        command.cwd = "/srv/deep/er".to_owned();
        let expected = format!("b/x{}\n", fixture.environment.path("/srv/deep/er"));
        assert_eq!(fixture.run(command).await, (Exit::Code(0), expected));
        let out = listing(fixture.environment.take_out("/srv/deep/er").await.unwrap()).await;
        let long = format!("./{long} 600");
        assert_eq!(out, ["./ 755", "./a -> b/x", "./b/ 750", "./b/new 644", "./b/run 755", "./b/x 644", "./closed/ 555", &long]);
    }
}

/// Puts in what comes through a pipe, of which whoever writes learns when it is not read.
async fn put_in_piped(fixture: &Fixture, dir: &str, tar: &[u8]) -> Result<(), EngineError> {
    let (mut writer, reader) = wide_pipe().unwrap();
    let write = async move { writer.write_all(tar).await };
    let (put, _) = tokio::join!(fixture.environment.put_in_piped(dir, reader), write);
    put
}

#[tokio::test]
async fn what_cannot_be_taken_out_or_put_in_is_an_error() {
    for fixture in Fixture::each().await {
        let mut out = fixture.environment.take_out("/no/such").await.unwrap();
        assert!(out.read_to_end(&mut Vec::new()).await.is_err(), "{:?}", fixture.kind);
        let tar = tar_of(&[("file", 0o644)]);
        assert!(fixture.environment.put_in("/srv/cut", &tar[..700]).await.is_err());
        assert!(put_in_piped(&fixture, "/srv/cut", &tar[..700]).await.is_err());
        let through_link = tar_of(&[("out->/var/tmp", 0o777), ("out/file", 0o644)]);
        assert!(fixture.environment.put_in("/srv/link", &through_link[..]).await.is_err());
        assert!(put_in_piped(&fixture, "/srv/link", &through_link).await.is_err());
    }
}

#[tokio::test]
async fn a_command_is_ended_after_its_time_with_all_it_started() {
    for fixture in Fixture::each().await {
        let mut command = sh("sleep 1000 & echo begun; wait");
        command.timeout = Duration::from_millis(300);
        assert_eq!(fixture.run(command).await, (Exit::TimedOut, "begun\n".to_owned()), "{:?}", fixture.kind);
    }
}

#[tokio::test]
async fn what_a_command_leaves_behind_does_not_hold_up_its_end() {
    for fixture in Fixture::each().await {
        assert_eq!(fixture.sh("sleep 1000 & echo done").await, (Exit::Code(0), "done\n".to_owned()), "{:?}", fixture.kind);
    }
}

#[tokio::test]
async fn commands_run_at_the_same_time() {
    for fixture in Fixture::each().await {
        let temp = fixture.environment.path("/tmp");
        fixture.environment.put_in("/tmp", &tar_of(&[])[..]).await.unwrap();
        let (left, right) = (format!("{temp}/left"), format!("{temp}/right"));
        let meet = |own: &str, other: &str| sh(&format!("touch {own}; until [ -e {other} ]; do :; done; echo met"));
        let (first, second) = tokio::join!(fixture.run(meet(&left, &right)), fixture.run(meet(&right, &left)));
        assert_eq!((first, second), ((Exit::Code(0), "met\n".to_owned()), (Exit::Code(0), "met\n".to_owned())));
    }
}

#[tokio::test]
async fn a_dropped_command_dies() {
    for fixture in Fixture::each().await {
        let (begun, mut pids) = tokio::sync::mpsc::unbounded_channel();
        let run = fixture.environment.run(sh("sleep 1000 & echo $$ $!; wait"), |_, piece| begun.send(piece.to_vec()).unwrap());
        let pids = tokio::select! {
            _ = run => panic!("ended by itself"),
            pids = pids.recv() => String::from_utf8(pids.unwrap()).unwrap(),
        };
        for pid in pids.split_whitespace() {
            // Gone, or a zombie that its new parent has not looked at yet.
            let script = format!("while grep -q '^State:.[^Z]' /proc/{pid}/status; do :; done 2> /dev/null");
            assert_eq!(fixture.sh(&script).await.0, Exit::Code(0), "{:?}", fixture.kind);
        }
    }
}

#[tokio::test]
async fn nothing_is_left_after_the_end() {
    for fixture in Fixture::each().await {
        fixture.sh("cd /tmp; mkdir -p deep/er; touch deep/er/file; sleep 1000 &").await;
        let Fixture { environment, work_dir, kind, .. } = fixture;
        environment.stop().await.unwrap();
        assert_eq!(left_of(&kind, work_dir.path()), "");
    }
}
