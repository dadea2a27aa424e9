//! A thousand pushes that are cut off anywhere: nothing of them is kept, and the next push works.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use super::push::noise;
use super::server::{Git, Server};

const PUSHES: u32 = 1000;
const AT_ONCE: u32 = 4;

fn line(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}

/// How a connection ends before its push does.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// The pusher's side is closed; the other one could still be answered.
    Half,
    /// Both are.
    Whole,
    /// Nothing is closed in order: the kernel resets it.
    Reset,
}

/// Pushes the first `bytes` of a push, and goes.
fn push_a_part(server: &Server, push: &[u8], bytes: usize, cut: Cut) {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(line("git-receive-pack /x\0host=x\0").as_bytes()).unwrap();
    // Who has been refused already may be cut off by the server.
    let _ = stream.write_all(&push[..bytes]);
    match cut {
        Cut::Half => {
            let _ = stream.shutdown(Shutdown::Write);
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
        // What was not read would make the kernel reset the connection.
        Cut::Whole => read_advertisement(&mut stream),
        // What was not read when a socket is closed makes the kernel reset the connection: here the advertisement.
        Cut::Reset => {
            let _ = stream.peek(&mut [0]);
            drop(stream);
        }
    }
}

/// Reads to the flush packet at its end.
fn read_advertisement(stream: &mut TcpStream) {
    loop {
        let mut digits = [0; 4];
        stream.read_exact(&mut digits).unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap();
        if length == 0 {
            return;
        }
        stream.read_exact(&mut vec![0; length - 4]).unwrap();
    }
}

#[test]
fn a_thousand_pushes_that_are_cut_off() {
    let (server, git) = (Server::start(), Git::new());
    for number in 0..20 {
        git.write(&format!("dir/{number}"), "text\n".repeat(10 + number));
    }
    git.write("noise", noise(1, 20_000));
    let id = git.commit("a");
    let request = line(&format!("{:0>40} {id} refs/heads/main\0report-status side-band-64k agent=x", 0));
    let push = [request.as_bytes(), b"0000", &git.pack("main\n")].concat();

    thread::scope(|scope| {
        for worker in 0..AT_ONCE {
            let (server, push) = (&server, &push);
            scope.spawn(move || {
                for number in (worker..PUSHES).step_by(AT_ONCE as usize) {
                    // A quarter of them among the commands, which are short, the others anywhere.
                    let all = if number % 4 == 0 { request_len(push) } else { push.len() };
                    let at = usize::try_from(number).unwrap().wrapping_mul(2_654_435_761) % all;
                    push_a_part(server, push, at, [Cut::Half, Cut::Whole, Cut::Reset][number as usize % 3]);
                }
            });
        }
    });
    server.wait_for(PUSHES as usize);
    assert!(server.refs().is_empty() && server.seen().is_empty(), "{:?}", server.seen());
    assert!(server.packs().is_empty() && !server.has_leftovers());

    push_a_part(&server, &push, push.len(), Cut::Half);
    assert_eq!(server.at("refs/heads/main"), id);
    assert!(git.push_ok(&server, &["main"]).contains("Everything up-to-date"));
    server.fsck();
}

fn request_len(push: &[u8]) -> usize {
    push.windows(4).position(|four| four == b"PACK").unwrap()
}
