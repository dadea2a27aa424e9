//! A receiver of webhooks on loopback, which shows the test each request as it came and answers when the test says so.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

const PATIENCE: Duration = Duration::from_mins(1);

/// Somebody who gets deliveries.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    received: mpsc::Receiver<Received>,
}

/// A request that has come, and its connection, which waits for an answer.
pub(crate) struct Received {
    pub(crate) headers: HashMap<String, String>,
    pub(crate) raw: Vec<u8>,
    pub(crate) body: Value,
    connection: TcpStream,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub(crate) fn listen(listener: TcpListener) -> Self {
        let (address, (send, received)) = (listener.local_addr().unwrap(), mpsc::channel());
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if send.send(read(connection.unwrap())).is_err() {
                    return;
                }
            }
        });
        Self { address, received }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn next(&self) -> Received {
        self.received.recv_timeout(PATIENCE).expect("nothing came")
    }

    /// Whether nothing has come that was not taken.
    pub(crate) fn has_nothing(&self) -> bool {
        self.received.try_recv().is_err()
    }

    /// Answers whatever comes from now on.
    pub(crate) fn answer_all(self, status: u16) {
        std::thread::spawn(move || self.received.iter().for_each(|received| received.answer(status)));
    }

    /// The next so many, each answered well, as `resource action status`.
    pub(crate) fn take(&self, count: usize) -> Vec<String> {
        let one = |_| {
            let received = self.next();
            let line = received.line();
            received.answer(200);
            line
        };
        (0..count).map(one).collect()
    }
}

fn read(connection: TcpStream) -> Received {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.to_owned()),
            None if line.trim_end().is_empty() => break,
            None => headers.insert(String::new(), line.trim_end().to_owned()),
        };
    }
    let mut raw = vec![0; headers["content-length"].parse().unwrap()];
    reader.read_exact(&mut raw).unwrap();
    Received { headers, body: serde_json::from_slice(&raw).unwrap(), raw, connection }
}

impl Received {
    pub(crate) fn answer(self, status: u16) {
        self.answer_with(&format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"));
    }

    pub(crate) fn answer_with(mut self, answer: &str) {
        self.connection.write_all(answer.as_bytes()).unwrap();
    }

    pub(crate) fn delivery(&self) -> String {
        self.body["webhook_metadata"]["delivery"]["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn attempt(&self) -> String {
        self.body["webhook_metadata"]["attempt"]["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn line(&self) -> String {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (resource, action) = (word(&self.body["resource"]), word(&self.body["action"]));
        let data = &self.body["data"];
        let state = data.get("status").or(data.get("state")).map(word).unwrap_or_default();
        format!("{resource} {action} {state}").trim_end().to_owned()
    }
}
