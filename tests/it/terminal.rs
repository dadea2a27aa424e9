//! One-off commands in a terminal: hoist's own client in one of `script`'s.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use crate::harness::{Daemon, User, WorkTree};

/// A daemon with a released app `shop`.
fn shop(limits: &str) -> (Daemon, User) {
    let daemon = Daemon::start_with(&format!("[limits]\n{limits}\n"));
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
    let tree = WorkTree::with_pack("null");
    tree.write("Procfile", "web: ./serve\n");
    tree.commit("processes");
    assert!(tree.push_ssh(&daemon, &user, "shop").ok);
    (daemon, user)
}

/// A shell in a terminal of 100 by 40, in which `hoist` is found.
struct Shell {
    script: Child,
    seen: Vec<u8>,
    /// How much of it has been waited for.
    passed: usize,
}

impl Shell {
    fn start(daemon: &Daemon, user: &User, line: &str) -> Self {
        let mut script = Command::new("timeout");
        let line = format!("stty cols 100 rows 40; hoist() {{ {} \"$@\"; }}; {line}", crate::harness::HOIST);
        script.args(["60", "script", "--quiet", "--return", "--command", &line, "/dev/null"]).env_clear().envs([
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("TERM", "vt100"),
            ("HOIST_API_KEY", &user.token),
        ]);
        script.env("HOIST_URL", format!("http://{}", daemon.http)).env("HOME", daemon.data_dir()).current_dir(daemon.data_dir());
        let script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Self { script, seen: Vec::new(), passed: 0 }
    }

    /// Reads on until the screen has shown this, after what was waited for before.
    fn until(&mut self, text: &str) {
        let mut piece = [0; 4096];
        loop {
            let new = &self.seen[self.passed..];
            if let Some(at) = new.windows(text.len()).position(|part| part == text.as_bytes()) {
                self.passed += at + text.len();
                return;
            }
            let length = self.script.stdout.as_mut().unwrap().read(&mut piece).unwrap();
            assert!(length > 0, "{text:?} is not in:\n{}", self.screen());
            self.seen.extend_from_slice(&piece[..length]);
        }
    }

    fn type_in(&mut self, keys: &[u8]) {
        self.script.stdin.as_mut().unwrap().write_all(keys).unwrap();
    }

    /// Waits for the end, and returns the exit code.
    fn end(&mut self) -> i32 {
        self.script.stdout.take().unwrap().read_to_end(&mut self.seen).unwrap();
        self.script.wait().unwrap().code().unwrap()
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}

#[test]
fn a_command_has_a_terminal_if_its_user_has_one() {
    let (daemon, user) = shop("");
    let mut shell = Shell::start(&daemon, &user, "hoist run -a shop 'tty; stty size; echo $TERM; ls -l $(tty); exit 3'");
    assert_eq!(shell.end(), 3, "{}", shell.screen());
    let screen = shell.screen();
    assert!(screen.contains("/dev/pts/0\r\n40 100\r\nvt100\r\ncrw--w---- 1 app tty"), "{screen}");
    let mut shell = Shell::start(&daemon, &user, "hoist run --no-tty -a shop tty");
    assert_eq!(shell.end(), 1, "{}", shell.screen());
    assert!(shell.screen().contains("not a tty"), "{}", shell.screen());
}

#[test]
fn what_is_typed_is_the_commands_and_the_terminal_is_as_before_afterwards() {
    let (daemon, user) = shop("");
    let line =
        "before=$(stty -g); hoist run -a shop bash; echo ended with $?; [ \"$before\" = \"$(stty -g)\" ] && echo as before";
    let mut shell = Shell::start(&daemon, &user, line);
    shell.until("$ ");
    shell.type_in(b"echo rea''dy; sleep infinity\r");
    shell.until("ready");
    // Ctrl-C reaches what runs in the shell inside, and nobody before it.
    shell.type_in(b"\x03");
    shell.until("$ ");
    // Ctrl-D ends the shell inside.
    shell.type_in(b"\x04");
    assert_eq!(shell.end(), 0, "{}", shell.screen());
    assert!(shell.screen().ends_with("ended with 130\r\nas before\r\n"), "{}", shell.screen());
}

#[test]
fn a_terminal_is_as_before_also_when_the_command_is_ended() {
    let (daemon, user) = shop("run_time = \"1s\"");
    let line = "before=$(stty -g); hoist run -a shop 'sleep infinity'; [ \"$before\" = \"$(stty -g)\" ] && echo as before";
    let mut shell = Shell::start(&daemon, &user, line);
    assert_eq!(shell.end(), 0);
    assert!(shell.screen().ends_with(" !     Command timed out (1 second).\r\nas before\r\n"), "{}", shell.screen());
}

#[test]
fn a_client_that_is_told_to_end_puts_the_terminal_back() {
    let (daemon, user) = shop("");
    // Whoever reads a terminal has to be in the foreground: the one that kills it stands behind.
    let kill = "(until [ -e go ]; do sleep 0.1; done; kill $(cat pid)) &";
    let run = format!("sh -c 'echo $$ >pid; exec {} run -a shop \"echo begun; sleep infinity\"'", crate::harness::HOIST);
    let line = format!("before=$(stty -g); {kill} {run}; [ \"$before\" = \"$(stty -g)\" ] && echo as before");
    let mut shell = Shell::start(&daemon, &user, &line);
    shell.until("begun");
    std::fs::write(daemon.data_dir().join("go"), "").unwrap();
    assert_eq!(shell.end(), 0, "{}", shell.screen());
    assert!(shell.screen().ends_with("ended by a signal\r\nas before\r\n"), "{}", shell.screen());
}
