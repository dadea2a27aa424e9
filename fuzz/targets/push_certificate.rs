//! Push certificates: no input panics, and one that is accepted has commands and loses none of them.

use hoist::git::certificate::parse_certificate;

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(certificate) = parse_certificate(bytes.to_vec()) {
        let commands: Vec<_> = certificate.commands().collect();
        assert!(!commands.is_empty());
        assert!(commands.iter().all(|command| !command.contains(&b'\n')));
        let text = [commands.join(&b'\n'), b"\n-----BEGIN ".to_vec()].concat();
        assert!(bytes.windows(text.len()).any(|part| part == text), "the commands are those in front of the signature");
    }
}
