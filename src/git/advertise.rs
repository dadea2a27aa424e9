//! The first thing a pusher hears: the refs there are and what receive-pack can do.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::model::{CommitId, RefName};

use super::nonce::Nonce;
use super::pkt_line::{FLUSH, encode_line};

const CAPABILITIES: &str = concat!(
    "report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta push-options ",
    "object-format=sha1 agent=hoist/",
    env!("CARGO_PKG_VERSION")
);

/// Through which door the advertisement goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    /// SSH: the refs alone.
    Stream,
    /// The answer to `GET /info/refs?service=git-receive-pack` (gitprotocol-http(5)): a header names the service.
    Http,
}

/// What a pusher is told.
#[derive(Debug, Clone)]
pub struct Advertised {
    /// The refs as they are (git expects them sorted by name).
    pub refs: Vec<(RefName, CommitId)>,
    /// What a certificate of the push has to quote.
    pub nonce: Nonce,
    pub greeting: Greeting,
}

/// Writes the advertisement of receive-pack.
pub async fn advertise(mut writer: impl AsyncWrite + Unpin, advertised: &Advertised) -> io::Result<()> {
    writer.write_all(&advertisement(advertised)).await?;
    writer.flush().await
}

fn advertisement(Advertised { refs, nonce, greeting }: &Advertised) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + refs.len() * 96);
    if *greeting == Greeting::Http {
        encode_line(&mut out, b"# service=git-receive-pack\n");
        out.extend_from_slice(FLUSH);
    }
    let capabilities = format!("{CAPABILITIES} push-cert={}", nonce.text());
    let mut refs = refs.iter();
    match refs.next() {
        Some((name, id)) => encode_line(&mut out, format!("{id} {name}\0{capabilities}\n").as_bytes()),
        None => encode_line(&mut out, format!("{:0>40} capabilities^{{}}\0{capabilities}\n", 0).as_bytes()),
    }
    for (name, id) in refs {
        encode_line(&mut out, format!("{id} {name}\n").as_bytes());
    }
    out.extend_from_slice(FLUSH);
    out
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::git::nonce::Nonces;

    fn text(refs: &[(RefName, CommitId)], greeting: Greeting) -> String {
        let nonce = Nonces::new().give("shop", OffsetDateTime::UNIX_EPOCH);
        String::from_utf8(advertisement(&Advertised { refs: refs.to_vec(), nonce, greeting })).expect("ASCII")
    }

    #[test]
    fn an_empty_repository_has_capabilities() {
        let text = text(&[], Greeting::Stream);
        let (line, rest) = text.split_once('\n').expect("a line");
        assert!(line[4..].starts_with(&format!("{} capabilities^{{}}\0{CAPABILITIES} push-cert=0-", "0".repeat(40))), "{line}");
        assert_eq!(usize::from_str_radix(&line[..4], 16), Ok(line.len() + 1));
        assert_eq!(rest, "0000");
    }

    #[test]
    fn refs_follow_one_another() {
        let id: CommitId = "1234567890123456789012345678901234567890".parse().expect("good");
        let refs = ["refs/heads/a", "refs/heads/b"].map(|name| (name.parse().expect("good"), id.clone()));
        let text = text(&refs, Greeting::Http);
        assert!(text.starts_with("001f# service=git-receive-pack\n0000"));
        assert!(text.contains(&format!("{id} refs/heads/a\0report-status ")));
        assert!(text.ends_with(&format!("003e{id} refs/heads/b\n0000").replace("003e", &format!("{:04x}", 4 + 40 + 1 + 12 + 1))));
    }
}
