//! `hoist serve` as a process: ready, stopped, started twice.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::Stdio;

use rustix::process::Signal;

use crate::harness::{Daemon, Gated, until, wait};

#[test]
fn both_doors_accept_once_it_says_so() {
    // The harness reads the line.
    let daemon = Daemon::start_with("engine = \"local\"\n");
    for door in [&daemon.http, &daemon.ssh] {
        TcpStream::connect(door).unwrap();
    }
}

/// Asks the daemon to stop and waits until it takes nothing new.
fn begin_to_stop(gated: &Gated, signal: Signal) {
    gated.daemon.signal(signal);
    until(|| TcpStream::connect(&gated.daemon.ssh).is_err() && TcpStream::connect(&gated.daemon.http).is_err());
}

#[test]
fn asked_to_stop_it_lets_builds_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut gated = Gated::new();
        let push = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["main"]);
        gated.until_builds(1, "pending");
        begin_to_stop(&gated, signal);
        assert_eq!(gated.daemon.ended(), None, "{signal:?}: a build is running");
        gated.open_gate();
        let pushed = wait(push);
        assert!(pushed.ok, "{signal:?}: {}", pushed.transcript);
        until(|| gated.daemon.ended().is_some());
        assert_eq!(gated.daemon.ended().unwrap().code(), Some(0), "{signal:?}: {}", gated.daemon.log());
        gated.daemon.restart();
        assert_eq!(gated.deploys(), 1, "{signal:?}");
    }
}

#[test]
fn asked_twice_it_ends_builds() {
    for (first, second) in [(Signal::TERM, Signal::INT), (Signal::INT, Signal::TERM)] {
        let mut gated = Gated::new();
        let push = gated.tree.start_push(&gated.daemon, &gated.user, "shop", &["main"]);
        gated.until_builds(1, "pending");
        begin_to_stop(&gated, first);
        gated.daemon.signal(second);
        let pushed = wait(push);
        assert!(!pushed.ok && pushed.transcript.contains("hoist is stopping"), "{}", pushed.transcript);
        until(|| gated.daemon.ended().is_some());
        assert_eq!(gated.daemon.ended().unwrap().code(), Some(0), "{}", gated.daemon.log());
        gated.daemon.restart();
        gated.until_builds(1, "failed");
        gated.open_gate();
        assert!(gated.tree.push_ssh(&gated.daemon, &gated.user, "shop").ok);
    }
}

#[test]
fn a_second_daemon_of_the_same_data_is_refused() {
    let daemon = Daemon::start_with("engine = \"local\"\n");
    let mut second = daemon.hoist(&["serve", "--http-listen", "127.0.0.1:0", "--ssh-listen", "127.0.0.1:0"]);
    let mut second = second.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(second.stdout.take().unwrap()).read_line(&mut said).unwrap();
    if !said.is_empty() {
        second.kill().unwrap();
    }
    let output = second.wait_with_output().unwrap();
    let why = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.as_str()), (Some(1), ""), "{why}");
    let expected = format!("another hoist (process {}) serves {} already", daemon.pid(), daemon.data_dir().display());
    assert!(why.contains(&expected), "{why}");
    TcpStream::connect(&daemon.http).unwrap();
}
