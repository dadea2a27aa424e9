//! What engines that keep strangers' commands apart promise beyond what every engine does: limits and isolation.

use std::collections::BTreeSet;
use std::path::Path;

use hoist::engine::{Engine, Exit, Spec};
use hoist::model::WindowSize;

use super::engine::{Fixture, MIB, left_of, settings, sh, spec, tar_of};

#[tokio::test]
async fn too_much_memory_is_told_apart() {
    for fixture in Fixture::isolated_with(Spec { memory_bytes: 32 * MIB, ..spec() }).await {
        assert_eq!(fixture.sh("head -c 100M /dev/zero | tail").await.0, Exit::OutOfMemory);
        // Also if it would rather have something else ended.
        let selfish = "echo 0 > /proc/self/oom_score_adj; head -c 100M /dev/zero | tail";
        assert_eq!(fixture.sh(selfish).await.0, Exit::OutOfMemory);
        assert_eq!(fixture.sh("true").await.0, Exit::Code(0));
        // A failure afterwards is the command's own again.
        assert_eq!(fixture.sh("exit 3").await.0, Exit::Code(3));
    }
}

#[tokio::test]
async fn too_many_processes_are_told_apart() {
    for fixture in Fixture::isolated_with(Spec { pids: 20, ..spec() }).await {
        assert_eq!(fixture.sh("for i in $(seq 50); do sleep 1000 & done").await.0, Exit::OutOfPids);
        assert_eq!(fixture.sh("true").await.0, Exit::Code(0));
    }
}

/// Process 1 with its supervisors, and what lists them.
const OWN_PROCESSES: [&str; 3] = ["hoist", "ps", "sh"];

async fn names_of_processes(fixture: &Fixture) -> Vec<String> {
    let (exit, output) = fixture.sh("ps -A -o comm=; true").await;
    assert_eq!(exit, Exit::Code(0));
    let names: BTreeSet<_> = output.lines().map(str::to_owned).collect();
    names.into_iter().collect()
}

#[tokio::test]
async fn a_fork_bomb_ends() {
    // The second multiplies as fast as it is killed one by one.
    let forks = "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass";
    for bomb in ["bomb() { bomb | bomb & }; bomb; sleep 1000", &format!("exec python3 -c '{forks}'")] {
        for fixture in Fixture::isolated().await {
            let mut bomb = sh(bomb);
            bomb.timeout = std::time::Duration::from_millis(500);
            let (exit, _) = fixture.run(bomb).await;
            assert!(matches!(exit, Exit::TimedOut | Exit::OutOfPids), "{:?}: {exit:?}", fixture.kind);
            assert_eq!(names_of_processes(&fixture).await, OWN_PROCESSES);
        }
    }
}

#[tokio::test]
async fn a_bomb_harms_no_other_build() {
    let work = "for i in $(seq 20); do head -c 1M /dev/zero > /tmp/$i && sh -c 'exit 0' || exit 1; done; echo built";
    let bombs = [
        ("bomb() { bomb | bomb & }; echo lit; bomb; sleep 1000", Exit::OutOfPids),
        ("cd /tmp; echo lit; i=0; while :; do head -c 5M /dev/zero > part$i; i=$((i + 1)); done", Exit::OutOfDisk),
        ("echo lit; head -c 1G /dev/zero | tail", Exit::OutOfMemory),
    ];
    for fixture in Fixture::isolated().await {
        for (bomb, expected) in bombs {
            let other = fixture.engine.start(Spec { name: "bomb".to_owned(), ..spec() }).await.unwrap();
            let is_lit = tokio::sync::Notify::new();
            let mut command = sh(bomb);
            command.timeout = std::time::Duration::from_secs(2);
            let beside = async {
                is_lit.notified().await;
                fixture.sh(work).await
            };
            let (end, beside) = tokio::join!(other.run(command, |_, _| is_lit.notify_one()), beside);
            let end = end.unwrap();
            assert!(end == expected || end == Exit::TimedOut, "{:?}: {bomb}: {end:?}", fixture.kind);
            assert_eq!(beside, (Exit::Code(0), "built\n".to_owned()), "{:?}: beside {bomb}", fixture.kind);
            other.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_daemon_comes_first() {
    for fixture in Fixture::isolated().await {
        let (exit, nice) = fixture.sh("nice").await;
        assert!(exit == Exit::Code(0) && nice.trim().parse::<i32>().unwrap() >= 5, "{:?}: {nice}", fixture.kind);
    }
}

#[tokio::test]
async fn too_much_disk_is_told_apart() {
    for fixture in Fixture::isolated().await {
        let (exit, _) = fixture.sh("cd /tmp; head -c 100M /dev/zero > large").await;
        assert_eq!(exit, Exit::OutOfDisk, "one file: {:?}", fixture.kind);
    }
    for fixture in Fixture::isolated().await {
        let script = "cd /tmp; i=0; while :; do head -c 10M /dev/zero > part$i; i=$((i + 1)); sleep 0.1; done";
        assert_eq!(fixture.sh(script).await.0, Exit::OutOfDisk, "many files: {:?}", fixture.kind);
    }
}

#[tokio::test]
async fn files_that_have_no_name_any_more_count_as_disk() {
    // Each is smaller than the limit, and held open by a process of its own.
    let script = "cd /tmp; for i in $(seq 8); do (head -c 10M /dev/zero; sleep 1000) > part & sleep 0.1; rm part; done; wait";
    for fixture in Fixture::isolated().await {
        assert_eq!(fixture.sh(script).await.0, Exit::OutOfDisk, "{:?}", fixture.kind);
        assert_eq!(fixture.sh("true").await.0, Exit::Code(0), "{:?}: they are gone with the command", fixture.kind);
    }
}

#[tokio::test]
async fn processes_are_ended_however_they_detach() {
    for fixture in Fixture::isolated().await {
        assert_eq!(fixture.sh("(setsid sh -c 'sleep 1000 & sleep 1001' &) & wait").await.0, Exit::Code(0));
        assert_eq!(fixture.sh("ps -A -o comm= | grep -c sleep").await.1, "0\n");
    }
}

#[tokio::test]
async fn nobody_has_privileges() {
    for fixture in Fixture::isolated().await {
        let (_, output) = fixture.sh("id -u; id -G; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status").await;
        let none = "0000000000000000";
        let expected = format!(
            "1000\n1000\nCapInh:\t{none}\nCapPrm:\t{none}\nCapEff:\t{none}\nCapBnd:\t{none}\nCapAmb:\t{none}\nNoNewPrivs:\t1\n\
         Seccomp:\t2\n"
        );
        assert_eq!(output, expected);
    }
}

#[tokio::test]
async fn dangerous_calls_are_refused() {
    for fixture in Fixture::isolated().await {
        // The stack has no mount command.
        let mount =
            "python3 -c \"import ctypes, sys; sys.exit(ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None) and 1)\"";
        for attempt in [mount, "unshare --user true", "unshare --net true", "dmesg"] {
            let (exit, output) = fixture.sh(&format!("LC_ALL=C {attempt} 2>&1")).await;
            assert!(exit != Exit::Code(0) && exit != Exit::Code(127), "{attempt}: {exit:?} {output}");
        }
    }
}

#[tokio::test]
async fn the_host_cannot_be_seen() {
    for fixture in Fixture::isolated().await {
        let own_files = std::env::current_exe().unwrap();
        assert_eq!(fixture.sh(&format!("ls {}", own_files.display())).await.0, Exit::Code(2));
        assert_eq!(names_of_processes(&fixture).await, OWN_PROCESSES);
        // A container has its own cgroups in there, for reading.
        let found = fixture.sh("hostname; find /sys -path /sys/fs -prune -o -type f -print 2> /dev/null | wc -l").await.1;
        assert_eq!(found, "test\n0\n", "{:?}", fixture.kind);
        assert_eq!(fixture.sh("cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' '").await.1, "lo\n");
        for hoists_own in ["ls /proc/1/root/", "ls /proc/1/fd/", "cat /proc/1/environ", "cat /proc/1/maps", "kill -9 1"] {
            assert_ne!(fixture.sh(hoists_own).await.0, Exit::Code(0), "{hoists_own}");
        }
    }
}

#[tokio::test]
async fn nothing_outside_the_own_folders_can_be_written() {
    for fixture in Fixture::isolated().await {
        for path in [
            "/proc/sys/kernel/hostname",
            "/proc/sysrq-trigger",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/etc/passwd",
            "/usr/bin/sh",
            "/dev/new",
            "/new",
        ] {
            assert_ne!(fixture.sh(&format!("echo x > {path}")).await.0, Exit::Code(0), "{path}");
        }
        assert_eq!(fixture.sh("cat /proc/kcore /proc/keys /proc/timer_list 2> /dev/null | wc -c").await.1, "0\n");
        assert_eq!(fixture.sh("echo x > /dev/null && echo x > /tmp/x && echo x > /dev/shm/x").await.0, Exit::Code(0));
    }
}

#[tokio::test]
async fn the_usual_devices_and_files_are_there() {
    for fixture in Fixture::isolated().await {
        let script = "head -c 2 /dev/zero | wc -c; head -c 2 /dev/urandom | wc -c; ls /dev | tr '\\n' ' '; \
                  readlink -f /dev/stdin; stat -c %a /tmp; getent hosts localhost | tr -s ' '";
        let (_, output) = fixture.sh(script).await;
        // A container has message queues as well.
        let queues = if fixture.is_docker() { "mqueue " } else { "" };
        let devices = format!("fd full {queues}null ptmx pts random shm stderr stdin stdout tty urandom zero ");
        assert_eq!(output, format!("2\n2\n{devices}/dev/null\n1777\n::1 localhost\n"));
        let same = std::fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap().len();
        assert_eq!(fixture.sh("wc -c < /etc/ssl/certs/ca-certificates.crt").await.1, format!("{same}\n"));
    }
}

#[tokio::test]
async fn environments_do_not_share_files_nor_change_the_stack() {
    for fixture in Fixture::isolated().await {
        let other = fixture.engine.start(spec()).await.unwrap();
        assert_eq!(fixture.sh("echo x > /tmp/mine").await.0, Exit::Code(0));
        assert_eq!(other.run(sh("ls /tmp/mine"), |_, _| ()).await.unwrap(), Exit::Code(2));
        assert!(!spec().root.join("tmp/mine").exists());
        other.stop().await.unwrap();
    }
}

#[tokio::test]
async fn links_of_commands_do_not_lead_out() {
    for fixture in Fixture::isolated().await {
        fixture.sh("ln -s / /tmp/root; ln -s /etc /tmp/etc").await;
        assert!(fixture.environment.put_in("/tmp/etc", &tar_of(&[("hoist-was-here", 0o644)])[..]).await.is_err());
        assert!(!Path::new("/etc/hoist-was-here").exists());
        let mut out = Vec::new();
        let mut tar = fixture.environment.take_out("/tmp/root").await.unwrap();
        // Fails at the first folder that is not for `app`.
        assert!(tokio::io::AsyncReadExt::read_to_end(&mut tar, &mut out).await.is_err());
    }
}

#[tokio::test]
async fn a_dropped_environment_leaves_nothing() {
    for fixture in Fixture::isolated().await {
        let Fixture { environment, engine, work_dir, kind } = fixture;
        drop(environment);
        // Dropping clears up in the background; opening again does what is left to do.
        drop(engine);
        Engine::open(settings(kind.clone(), work_dir.path())).await.unwrap();
        assert_eq!(left_of(&kind, work_dir.path()), "");
    }
}

/// What a stranger may try beyond what the other tests do. Each script says `out` if it has come out.
const ESCAPES: [(&str, &str); 9] = [
    ("a device of its own", "mknod /tmp/disk b 254 0 && echo out"),
    ("a program that is root's", "cp /bin/sh /tmp/sh && chown 0 /tmp/sh && echo out"),
    ("set-user-id", "cp /usr/bin/id /tmp/id && chmod 6755 /tmp/id && [ $(/tmp/id -u) = 0 ] && echo out"),
    ("hoist's own files", "ls /.hoist && echo out"),
    ("the Docker Engine's socket", "find / -xdev -name docker.sock 2> /dev/null | grep . && echo out"),
    ("another root", "chroot /tmp /bin/true && echo out"),
    ("a hard link to what is root's", "ln /etc/shadow /tmp/shadow && cat /tmp/shadow && echo out"),
    (
        "another cgroup",
        "for file in $(find /sys/fs/cgroup -name tasks -o -name cgroup.procs); do echo 0 > $file && echo out; done",
    ),
    ("who is process 1", r#"python3 -c "import ctypes; ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0 and print('out')""#),
];

#[tokio::test]
async fn nobody_comes_out() {
    for fixture in Fixture::isolated().await {
        for (what, script) in ESCAPES {
            let (_, output) = fixture.sh(script).await;
            assert!(!output.lines().any(|line| line == "out"), "{:?}: {what}: {output}", fixture.kind);
        }
    }
}

#[tokio::test]
async fn a_flood_of_output_is_ended_in_time() {
    for fixture in Fixture::isolated().await {
        let mut flood = sh("yes & yes >&2");
        flood.timeout = std::time::Duration::from_millis(300);
        let mut seen = 0;
        let exit = fixture.environment.run(flood, |_, piece| seen += piece.len()).await.unwrap();
        assert!(exit == Exit::TimedOut && seen > 0, "{:?}: {exit:?} {seen}", fixture.kind);
        assert_eq!(names_of_processes(&fixture).await, OWN_PROCESSES);
    }
}

#[tokio::test]
async fn a_terminal_has_the_size_that_was_given() {
    for fixture in Fixture::isolated().await {
        let mut screen = Vec::new();
        let size = Some(WindowSize { columns: 100, rows: 40 });
        let command = sh("read line; echo got $line; tty; stty size; exit 3");
        let run = fixture.environment.run_attached(command, size, &b"typed\n"[..], &mut screen);
        assert_eq!(run.await.unwrap(), Some(Exit::Code(3)), "{:?}", fixture.kind);
        let screen = String::from_utf8(screen).unwrap();
        assert_eq!(screen, "typed\r\ngot typed\r\n/dev/pts/0\r\n40 100\r\n", "{:?}", fixture.kind);
    }
}
