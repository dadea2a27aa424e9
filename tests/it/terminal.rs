//! One-off commands in a terminal: hoist's own client in one of `script`'s.

use crate::harness::{Daemon, HOIST, Terminal, User, WorkTree};

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
fn shell(daemon: &Daemon, user: &User, line: &str) -> Terminal {
    let line = format!("stty cols 100 rows 40; hoist() {{ {HOIST} \"$@\"; }}; {line}");
    Terminal::start(&line, |script| {
        let fixed = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("TERM", "vt100"), ("HOIST_API_KEY", &user.token)];
        script.env_clear().envs(fixed).env("HOIST_URL", format!("http://{}", daemon.http));
        script.env("HOME", daemon.data_dir()).current_dir(daemon.data_dir());
    })
}

#[test]
fn a_command_has_a_terminal_if_its_user_has_one() {
    let (daemon, user) = shop("");
    let mut terminal = shell(&daemon, &user, "hoist run -a shop 'tty; stty size; echo $TERM; ls -l $(tty); exit 3'");
    assert_eq!(terminal.end(), 3, "{}", terminal.screen());
    let screen = terminal.screen();
    assert!(screen.contains("/dev/pts/0\r\n40 100\r\nvt100\r\ncrw--w---- 1 app tty"), "{screen}");
    let mut terminal = shell(&daemon, &user, "hoist run --no-tty -a shop tty");
    assert_eq!(terminal.end(), 1, "{}", terminal.screen());
    assert!(terminal.screen().contains("not a tty"), "{}", terminal.screen());
}

#[test]
fn what_is_typed_is_the_commands_and_the_terminal_is_as_before_afterwards() {
    let (daemon, user) = shop("");
    let line =
        "before=$(stty -g); hoist run -a shop bash; echo ended with $?; [ \"$before\" = \"$(stty -g)\" ] && echo as before";
    let mut terminal = shell(&daemon, &user, line);
    terminal.until("$ ");
    terminal.type_in(b"echo rea''dy; sleep infinity\r");
    terminal.until("ready");
    // Ctrl-C reaches what runs in the shell inside, and nobody before it.
    terminal.type_in(b"\x03");
    terminal.until("$ ");
    // Ctrl-D ends the shell inside.
    terminal.type_in(b"\x04");
    assert_eq!(terminal.end(), 0, "{}", terminal.screen());
    assert!(terminal.screen().ends_with("ended with 130\r\nas before\r\n"), "{}", terminal.screen());
}

#[test]
fn a_terminal_is_as_before_also_when_the_command_is_ended() {
    let (daemon, user) = shop("run_time = \"1s\"");
    let line = "before=$(stty -g); hoist run -a shop 'sleep infinity'; [ \"$before\" = \"$(stty -g)\" ] && echo as before";
    let mut terminal = shell(&daemon, &user, line);
    assert_eq!(terminal.end(), 0);
    assert!(terminal.screen().ends_with(" !     Command timed out (1 second).\r\nas before\r\n"), "{}", terminal.screen());
}

#[test]
fn a_client_that_is_told_to_end_puts_the_terminal_back() {
    let (daemon, user) = shop("");
    // Whoever reads a terminal has to be in the foreground: the one that kills it stands behind.
    let kill = "(until [ -e go ]; do sleep 0.1; done; kill $(cat pid)) &";
    let run = format!("sh -c 'echo $$ >pid; exec {HOIST} run -a shop \"echo begun; sleep infinity\"'");
    let line = format!("before=$(stty -g); {kill} {run}; [ \"$before\" = \"$(stty -g)\" ] && echo as before");
    let mut terminal = shell(&daemon, &user, &line);
    terminal.until("begun");
    std::fs::write(daemon.data_dir().join("go"), "").unwrap();
    assert_eq!(terminal.end(), 0, "{}", terminal.screen());
    assert!(terminal.screen().ends_with("ended by a signal\r\nas before\r\n"), "{}", terminal.screen());
}
