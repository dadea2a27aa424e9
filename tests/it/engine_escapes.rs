//! What strangers may try to get out of the engines that keep them apart, beyond what `engine_isolation` has.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use hoist::engine::{Command, Environment, Exit, Spec};
use libc::c_long;
use tar::{Builder, EntryType, Header};

use super::engine::{Fixture, MIB, sh, spec};

fn python(script: &str, arguments: &[String]) -> Command {
    let mut command = sh("");
    command.argv = ["/usr/bin/python3", "-c", script].map(str::to_owned).into_iter().chain(arguments.iter().cloned()).collect();
    command
}

async fn output_of(environment: &Environment, command: Command) -> (Exit, String) {
    let mut output = Vec::new();
    let exit = environment.run(command, |_, piece| output.extend_from_slice(piece)).await.unwrap();
    (exit, String::from_utf8(output).unwrap())
}

/// Makes calls of the kernel, `name,number,arguments…` each, and says which are not refused.
const CALLS: &str = r#"
import ctypes, errno, sys
kernel = ctypes.CDLL(None, use_errno=True)
for call in sys.argv[1:]:
    name, *numbers = call.split(",")
    ctypes.set_errno(0)
    result = kernel.syscall(*[ctypes.c_long(int(number)) for number in numbers])
    if result != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
        print(name, result, ctypes.get_errno())
print("tried")
"#;

/// Each call with arguments that let it go on as far as can be, where it is allowed.
fn calls() -> Vec<(&'static str, Vec<c_long>)> {
    let number = c_long::from;
    vec![
        ("mount", vec![libc::SYS_mount]),
        ("umount", vec![libc::SYS_umount2]),
        ("another root", vec![libc::SYS_pivot_root]),
        ("chroot", vec![libc::SYS_chroot]),
        ("a copy of a mount", vec![libc::SYS_open_tree, number(libc::AT_FDCWD), 0, 1]),
        ("a new file system", vec![libc::SYS_fsopen]),
        ("a mount's attributes", vec![libc::SYS_mount_setattr, number(libc::AT_FDCWD)]),
        ("user namespace", vec![libc::SYS_unshare, number(libc::CLONE_NEWUSER)]),
        ("mount namespace", vec![libc::SYS_unshare, number(libc::CLONE_NEWNS)]),
        ("process in a user namespace", vec![libc::SYS_clone, number(libc::CLONE_NEWUSER | libc::SIGCHLD)]),
        ("process in a way no filter sees", vec![libc::SYS_clone3]),
        ("another's namespace", vec![libc::SYS_setns, 0, 0]),
        ("ptrace of oneself", vec![libc::SYS_ptrace, 0]),
        ("ptrace of hoist", vec![libc::SYS_ptrace, 16, 1]),
        ("hoist's memory", vec![libc::SYS_process_vm_readv, 1]),
        ("writing hoist's memory", vec![libc::SYS_process_vm_writev, 1]),
        ("another's open file", vec![libc::SYS_pidfd_getfd]),
        ("comparing with hoist", vec![libc::SYS_kcmp, 1, 1]),
        ("a file by its number", vec![libc::SYS_open_by_handle_at, number(libc::AT_FDCWD)]),
        ("a kernel program", vec![libc::SYS_bpf]),
        ("counters", vec![libc::SYS_perf_event_open]),
        ("page faults", vec![libc::SYS_userfaultfd]),
        ("a module", vec![libc::SYS_finit_module]),
        ("another kernel", vec![libc::SYS_kexec_load]),
        ("the kernel's log", vec![libc::SYS_syslog, 10]),
        ("keys", vec![libc::SYS_keyctl]),
        ("a new key", vec![libc::SYS_add_key]),
        ("work past the filter", vec![libc::SYS_io_uring_setup, 1]),
        ("swap", vec![libc::SYS_swapon]),
        ("accounting", vec![libc::SYS_acct]),
        ("the clock", vec![libc::SYS_clock_settime]),
        ("the host's name", vec![libc::SYS_sethostname]),
        ("raw packets", vec![libc::SYS_socket, number(libc::AF_INET), number(libc::SOCK_RAW), 1]),
        ("frames", vec![libc::SYS_socket, number(libc::AF_PACKET), number(libc::SOCK_RAW)]),
        ("the hypervisor", vec![libc::SYS_socket, number(libc::AF_VSOCK), number(libc::SOCK_STREAM)]),
        ("the kernel's ciphers", vec![libc::SYS_socket, number(libc::AF_ALG), number(libc::SOCK_SEQPACKET)]),
        ("addresses that are easy to guess", vec![libc::SYS_personality, number(libc::ADDR_NO_RANDOMIZE)]),
        ("typing into a terminal", vec![libc::SYS_ioctl, 0, 0x5412]),
        ("calls by other numbers", vec![0x4000_0000]),
    ]
}

#[tokio::test]
async fn what_reaches_past_the_filters_is_refused() {
    let written = |(name, numbers): &(&str, Vec<c_long>)| {
        // What is not given is nothing, not whatever is left in a register.
        let numbers = numbers.iter().copied().chain(std::iter::repeat(0)).take(7).map(|number| format!(",{number}"));
        format!("{name}{}", numbers.collect::<String>())
    };
    let calls: Vec<_> = calls().iter().map(written).collect();
    for fixture in Fixture::isolated().await {
        let tried = fixture.run(python(CALLS, &calls)).await;
        assert_eq!(tried, (Exit::Code(0), "tried\n".to_owned()), "{:?}", fixture.kind);
    }
}

#[tokio::test]
async fn nothing_of_the_kernels_can_be_written() {
    // Everybody may be told of pressure. A hidden file has become `/dev/null`, which `find` does not see without looking.
    let find = "find /proc /sys -path '/proc/[0-9]*' -prune -o -path /proc/pressure -prune -o -type f -writable \
                -exec test -f '{}' ';' -print";
    let files = ["/proc/1/mem", "/proc/1/oom_score_adj", "/proc/1/root/tmp/x", "/proc/self/uid_map", "/proc/self/setgroups"];
    for fixture in Fixture::isolated().await {
        let found = fixture.sh(&format!("{find} 2> /dev/null; echo looked")).await.1;
        assert_eq!(found, "looked\n", "{:?}", fixture.kind);
        for file in files {
            assert_ne!(fixture.sh(&format!("echo 0 > {file}")).await.0, Exit::Code(0), "{:?}: {file}", fixture.kind);
        }
    }
}

#[tokio::test]
async fn the_stacks_own_set_id_programs_give_nothing() {
    for fixture in Fixture::isolated().await {
        // It reads `/etc/shadow` as that file's group, and is there.
        let (exit, output) = fixture.sh("[ -g /usr/bin/chage ] && chage -l app || exit 9").await;
        assert_eq!(exit, Exit::Code(9), "{:?}: {output}", fixture.kind);
        assert!(output.contains("/etc/shadow"), "{:?}: {output}", fixture.kind);
    }
}

/// Can be met in three ways, by a port, a name and a key.
const MEETING: &str = r#"
import ctypes, socket
port = socket.create_server(("127.0.0.1", 8080))
name = socket.socket(socket.AF_UNIX)
name.bind("\0hoist")
name.listen()
ctypes.CDLL(None).shmget(7, 4096, 0o1666)
print("ready", flush=True)
while True: port.accept()
"#;

/// Says in which of these ways it meets somebody, and then ends whomever it can.
const MEET: &str = r#"
import ctypes, os, socket, sys
def attempt(what, way):
    try: way(); print(what, flush=True)
    except OSError: pass
attempt("port", lambda: socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
attempt("name", lambda: socket.socket(socket.AF_UNIX).connect("\0" + sys.argv[2]))
if ctypes.CDLL(None).shmget(7, 4096, 0) != -1: print("key", flush=True)
attempt("nobody", lambda: os.kill(-1, 9))
"#;

fn meet(port: u16, name: &str) -> Command {
    python(MEET, &[port.to_string(), name.to_owned()])
}

/// What was met, whatever became of it.
fn met(output: &str) -> Vec<&str> {
    output.lines().filter(|line| ["port", "name", "key"].contains(line)).collect()
}

#[tokio::test]
async fn other_builds_are_out_of_reach() {
    for fixture in Fixture::isolated().await {
        let other = fixture.engine.start(Spec { name: "other".to_owned(), ..spec() }).await.unwrap();
        let is_ready = tokio::sync::Notify::new();
        let attempts = async {
            is_ready.notified().await;
            let from_here = fixture.run(meet(8080, "hoist")).await.1;
            assert_eq!(met(&from_here), [""; 0], "{:?}", fixture.kind);
            // Whoever is in there does meet it, and ends it.
            let from_there = output_of(&other, meet(8080, "hoist")).await.1;
            assert_eq!(met(&from_there), ["port", "name", "key"], "{:?}", fixture.kind);
        };
        let (end, ()) = tokio::join!(other.run(python(MEETING, &[]), |_, _| is_ready.notify_one()), attempts);
        assert_eq!(end.unwrap(), Exit::Signal(9), "{:?}", fixture.kind);
        other.stop().await.unwrap();
    }
}

#[tokio::test]
async fn the_hosts_own_doors_are_out_of_reach() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let number = port.local_addr().unwrap().port();
    let name = format!("hoist-{number}");
    let socket = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    for fixture in Fixture::isolated().await {
        assert_eq!(met(&fixture.run(meet(number, &name)).await.1), [""; 0], "{:?}", fixture.kind);
    }
    port.set_nonblocking(true).unwrap();
    socket.set_nonblocking(true).unwrap();
    let came = [port.accept().err().map(|error| error.kind()), socket.accept().err().map(|error| error.kind())];
    assert_eq!(came, [Some(ErrorKind::WouldBlock); 2]);
}

/// A tar of entries with names and targets that a library would refuse to write.
fn hostile(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, name, target) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o6777);
        header.set_size(0);
        let fields = header.as_gnu_mut().unwrap();
        fields.name[..name.len()].copy_from_slice(name.as_bytes());
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        builder.append(&header, std::io::empty()).unwrap();
    }
    builder.into_inner().unwrap()
}

#[tokio::test]
async fn a_hostile_source_or_cache_writes_nothing_elsewhere() {
    use EntryType::{Block, Char, Directory, Fifo, Link, Regular, Symlink};
    for fixture in Fixture::isolated().await {
        for entries in [
            &[(Regular, "../here", "")][..],
            &[(Regular, "a/../../here", "")],
            &[(Char, "here", "")],
            &[(Block, "here", "")],
            &[(Fifo, "here", "")],
            &[(Link, "here", "/etc/shadow")],
            &[(Link, "here", "../../etc/shadow")],
            &[(Symlink, "out", "/srv"), (Regular, "out/here", "")],
            &[(Symlink, "out", ".."), (Directory, "out/here/", "")],
            &[(Symlink, "users", "/etc/passwd"), (Link, "here", "users"), (Regular, "here", ""), (Fifo, "end", "")],
        ] {
            let put = fixture.environment.put_in("/srv/tree", &hostile(entries)[..]).await;
            assert!(put.is_err(), "{:?}: {entries:?}", fixture.kind);
            let found = fixture.sh("ls -d /srv/here /here /srv/tree/here/* 2> /dev/null; wc -c < /etc/passwd").await.1;
            assert!(found.trim().parse::<u32>().is_ok_and(|size| size > 0), "{:?}: {entries:?}: {found}", fixture.kind);
        }
        // Set-uid is dropped on the way in.
        fixture.environment.put_in("/srv/tree", &hostile(&[(Regular, "program", "")])[..]).await.unwrap();
        assert_eq!(fixture.sh("stat -c '%a %U' /srv/tree/program").await.1, "777 app\n", "{:?}", fixture.kind);
    }
}

#[tokio::test]
async fn a_tree_that_became_something_else_is_not_taken_out() {
    for fixture in Fixture::isolated().await {
        for (number, change) in [
            "ln -s /proc/1/root tree",
            "ln -s /tmp tree",
            "ln -s tree tree",
            "touch tree",
            "mkfifo tree",
            "test ! -e tree",
            "mkdir -m 000 tree",
            "mkdir -p tree/listed/folder; chmod 444 tree/listed",
            "mkdir -p tree/listed; ln -s /tmp tree/listed/link; chmod 444 tree/listed",
            // Deeper than a path is long, and so last: it counts as a full disk.
            "part=$(printf %0250d/ 1 2 3 4 5 6 7 8 9); mkdir -p tree/$part deep/$part; mv deep tree/$part",
        ]
        .into_iter()
        .enumerate()
        {
            let script = format!("mkdir /tmp/{number}; cd /tmp/{number}; {change}");
            assert_eq!(fixture.sh(&script).await.0, Exit::Code(0), "{:?}: {change}", fixture.kind);
            let mut taken = Vec::new();
            let mut tar = fixture.environment.take_out(&format!("/tmp/{number}/tree")).await.unwrap();
            let read = tokio::io::AsyncReadExt::read_to_end(&mut tar, &mut taken).await;
            let kind = read.map_err(|error| error.kind());
            assert_eq!((kind, taken.len()), (Err(ErrorKind::NotADirectory), 0), "{:?}: {change}", fixture.kind);
        }
    }
}

#[tokio::test]
async fn memory_that_is_no_processs_own_counts() {
    let hoards = [
        // Fits its file size limit, not the memory.
        r#"file = os.memfd_create("hoard")
while True: os.write(file, bytes(1 << 20))"#,
        r"segments = ctypes.CDLL(None)
segments.shmat.restype = ctypes.c_void_p
while True: ctypes.memset(segments.shmat(segments.shmget(0, 1 << 20, 0o1600), None, 0), 1, 1 << 20)",
    ];
    for hoard in hoards {
        for fixture in Fixture::isolated_with(Spec { memory_bytes: 32 * MIB, disk_bytes: 512 * MIB, ..spec() }).await {
            let hoard = python(&format!("import ctypes, os\n{hoard}"), &[]);
            assert_eq!(fixture.run(hoard).await.0, Exit::OutOfMemory, "{:?}", fixture.kind);
        }
    }
}
