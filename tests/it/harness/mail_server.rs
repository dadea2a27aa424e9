//! A mail server on loopback that takes every message, or refuses the first, and shows the test each.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct MailServer {
    pub(crate) address: SocketAddr,
    messages: mpsc::Receiver<String>,
}

impl MailServer {
    /// One that answers the first message with `first` instead of 250.
    pub(crate) fn start(first: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, (send, messages)) = (listener.local_addr().unwrap(), mpsc::channel());
        std::thread::spawn(move || {
            let mut answers = vec![first].into_iter();
            for connection in listener.incoming() {
                let answer = answers.next().unwrap_or("250 OK");
                if send.send(talk(connection.unwrap(), answer)).is_err() {
                    return;
                }
            }
        });
        Self { address, messages }
    }

    /// Whether no other client has come and gone.
    pub(crate) fn has_nothing(&self) -> bool {
        self.messages.try_recv().is_err()
    }

    /// Everything that the next client has said.
    pub(crate) fn next(&self) -> String {
        self.messages.recv_timeout(PATIENCE).expect("no mail came")
    }
}

/// As much of RFC 5321 as a client needs.
fn talk(mut connection: TcpStream, of_message: &str) -> String {
    let mut said = String::new();
    let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
    let mut is_data = false;
    connection.write_all(b"220 mail.example ESMTP\r\n").unwrap();
    while let Some(Ok(line)) = lines.next() {
        said.push_str(&line);
        said.push('\n');
        let answer = match line.as_str() {
            "." => {
                is_data = false;
                of_message
            }
            _ if is_data => continue,
            "DATA" => {
                is_data = true;
                "354 go on"
            }
            "QUIT" => {
                connection.write_all(b"221 bye\r\n").ok();
                break;
            }
            _ => "250 OK",
        };
        if connection.write_all(format!("{answer}\r\n").as_bytes()).is_err() {
            break;
        }
    }
    said
}
