//! The last thing a pusher hears: what became of the pack and of each ref (gitprotocol-pack(5), "Report Status").

use super::pkt_line::{FLUSH, encode_line};

/// What became of one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefStatus {
    pub name: String,
    /// The error is what git shows in brackets: `! [remote rejected] main -> main (REASON)`.
    pub outcome: Result<(), String>,
}

impl RefStatus {
    /// The ref is as asked for.
    #[must_use]
    pub fn ok(name: &(impl ToString + ?Sized)) -> Self {
        Self { name: name.to_string(), outcome: Ok(()) }
    }

    /// The ref is as it was.
    #[must_use]
    pub fn refused(name: &(impl ToString + ?Sized), reason: impl Into<String>) -> Self {
        Self { name: name.to_string(), outcome: Err(reason.into()) }
    }
}

/// The report as pkt-lines. `unpack` is what was wrong with the pack as a whole.
pub(super) fn encode_report(unpack: Result<(), &str>, statuses: &[RefStatus]) -> Vec<u8> {
    let mut out = Vec::new();
    let unpack = unpack.map_or_else(one_line, |()| "ok".to_owned());
    encode_line(&mut out, format!("unpack {unpack}\n").as_bytes());
    for status in statuses {
        let line = match &status.outcome {
            Ok(()) => format!("ok {}\n", status.name),
            Err(reason) => format!("ng {} {}\n", status.name, one_line(reason)),
        };
        encode_line(&mut out, line.as_bytes());
    }
    out.extend_from_slice(FLUSH);
    out
}

/// A reason that cannot be taken for another line, nor be longer than one.
fn one_line(text: &str) -> String {
    const MAX_CHARS: usize = 1000;
    let text: String = text.chars().take(MAX_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.trim().is_empty() { "refused".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_each() {
        let statuses = [RefStatus::ok("refs/heads/a"), RefStatus::refused("refs/heads/b", "no\nok refs/heads/b")];
        let report = String::from_utf8(encode_report(Ok(()), &statuses)).expect("text");
        assert_eq!(report, "000eunpack ok\n0014ok refs/heads/a\n0027ng refs/heads/b no ok refs/heads/b\n0000");
        let report = String::from_utf8(encode_report(Err(""), &[])).expect("text");
        assert_eq!(report, "0013unpack refused\n0000");
    }
}
