//! What a client asks of receive-pack (gitprotocol-pack(5), "Reference Update Request"): lines in, values out.

use crate::model::{CommitId, RefName};

use super::ProtocolError;
use super::certificate::{Certificate, parse_certificate};

/// Most ref updates in one push.
pub const MAX_COMMANDS: usize = 10_000;

/// Longest name that is shown back in the report, good or not. Good ones have at most 1,024 bytes.
const MAX_NAME: usize = 4096;

/// Most push options in one push, and most bytes in one of them.
pub const MAX_OPTIONS: usize = 64;
/// See [`MAX_OPTIONS`].
pub const MAX_OPTION_BYTES: usize = 4096;

/// A wish to move, make or delete one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    pub name: RefName,
    /// The value that the client saw; `None`: the ref did not exist.
    pub old: Option<CommitId>,
    /// The value that it shall have; `None`: it shall be deleted. Any object's id, where the ref is not a branch.
    pub new: Option<CommitId>,
}

/// One command as it was sent: the name is shown as it is in the report, whether it is a good one or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub name: String,
    /// Whether it asks for a deletion.
    pub deletes: bool,
    /// The update, or why there can be none.
    pub update: Result<RefUpdate, String>,
}

/// How the client wants to be answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol's capabilities are independent of one another")]
pub struct Capabilities {
    pub report_status: bool,
    pub side_band: bool,
    pub atomic: bool,
    pub quiet: bool,
    pub push_options: bool,
    /// The client's name and version, for the log.
    pub agent: Option<String>,
}

/// The first section of a push.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    pub commands: Vec<Command>,
    pub capabilities: Capabilities,
    /// Whether the client's clone is shallow, so that its history may be cut off.
    pub shallow: bool,
    /// Of a signed push: where the commands stand. Not verified.
    pub certificate: Option<Certificate>,
}

impl Request {
    /// Tells whether a pack follows: it does unless everything is a deletion.
    #[must_use]
    pub fn brings_pack(&self) -> bool {
        self.commands.iter().any(|command| !command.deletes)
    }

    fn push(&mut self, command: &[u8]) -> Result<(), ProtocolError> {
        if self.commands.len() == MAX_COMMANDS {
            return Err(ProtocolError::TooManyCommands);
        }
        self.commands.push(parse_command(command)?);
        Ok(())
    }

    fn certify(&mut self, capabilities: &[u8], certificate: Certificate) -> Result<(), ProtocolError> {
        if !self.commands.is_empty() {
            return Err(ProtocolError::Certificate("there are commands beside it"));
        }
        self.capabilities = parse_capabilities(capabilities)?;
        certificate.commands().try_for_each(|command| self.push(command))?;
        self.certificate = Some(certificate);
        Ok(())
    }
}

/// Reads the lines up to the first flush.
///
/// # Errors
/// When a line is not what the protocol knows, or there are too many. A bad ref name is no such error: that ref alone
/// is refused.
pub fn parse_request<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Result<Request, ProtocolError> {
    let mut request = Request::default();
    let mut lines = lines.into_iter();
    while let Some(line) = lines.next() {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if let Some(id) = line.strip_prefix(b"shallow ") {
            parse_id(id)?;
            request.shallow = true;
        } else if let Some(capabilities) = line.strip_prefix(b"push-cert\0") {
            request.certify(capabilities, parse_certificate(take_certificate(&mut lines)?)?)?;
        } else if request.certificate.is_some() {
            return Err(ProtocolError::Certificate("there are commands beside it"));
        } else {
            let (command, capabilities) = split_at_nul(line);
            if request.commands.is_empty() {
                request.capabilities = parse_capabilities(capabilities)?;
            }
            request.push(command)?;
        }
    }
    refuse_duplicates(&mut request.commands);
    Ok(request)
}

/// Takes the lines up to the one that ends a certificate.
fn take_certificate<'a>(lines: &mut impl Iterator<Item = &'a [u8]>) -> Result<Vec<u8>, ProtocolError> {
    let mut text = Vec::new();
    for line in lines {
        if line == b"push-cert-end\n" {
            return Ok(text);
        }
        text.extend_from_slice(line);
    }
    Err(ProtocolError::Certificate("it has no end"))
}

/// Reads the lines of the push options section.
///
/// # Errors
/// When there are too many, or one is too long or not UTF-8.
pub fn parse_options<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<String>, ProtocolError> {
    let mut options = Vec::new();
    for line in lines {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if options.len() == MAX_OPTIONS || line.len() > MAX_OPTION_BYTES {
            return Err(ProtocolError::PushOptions);
        }
        options.push(std::str::from_utf8(line).map_err(|_| ProtocolError::PushOptions)?.to_owned());
    }
    Ok(options)
}

fn split_at_nul(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == 0) {
        Some(nul) => (&line[..nul], &line[nul + 1..]),
        None => (line, b""),
    }
}

fn parse_command(line: &[u8]) -> Result<Command, ProtocolError> {
    let bad = || ProtocolError::Command(line[..line.len().min(200)].escape_ascii().to_string());
    let (Some(old), Some(b' '), Some(new), Some(b' '), Some(name)) =
        (line.get(..40), line.get(40), line.get(41..81), line.get(81), line.get(82..))
    else {
        return Err(bad());
    };
    let (old, new) = (parse_id(old)?, parse_id(new)?);
    let text = String::from_utf8_lossy(name).into_owned();
    if name.is_empty() || name.len() > MAX_NAME || name.contains(&b'\n') {
        return Err(bad());
    }
    // git's own two words for it, which its users find on the web.
    let deletes = new.is_none();
    let update = match std::str::from_utf8(name).ok().and_then(|name| name.parse().ok()) {
        Some(name) => Ok(RefUpdate { name, old, new }),
        None => Err("funny refname".to_owned()),
    };
    Ok(Command { name: text, deletes, update })
}

/// Reads an object id; all zeros stand for none.
fn parse_id(hex: &[u8]) -> Result<Option<CommitId>, ProtocolError> {
    let bad = || ProtocolError::ObjectId(hex[..hex.len().min(80)].escape_ascii().to_string());
    let text = std::str::from_utf8(hex).map_err(|_| bad())?.to_ascii_lowercase();
    let id = text.parse().map_err(|_| bad())?;
    Ok(text.bytes().any(|digit| digit != b'0').then_some(id))
}

fn parse_capabilities(text: &[u8]) -> Result<Capabilities, ProtocolError> {
    let mut capabilities = Capabilities::default();
    for word in String::from_utf8_lossy(text).split_ascii_whitespace() {
        match word.split_once('=') {
            None => match word {
                "report-status" | "report-status-v2" => capabilities.report_status = true,
                "side-band-64k" => capabilities.side_band = true,
                "atomic" => capabilities.atomic = true,
                "quiet" => capabilities.quiet = true,
                "push-options" => capabilities.push_options = true,
                // Others change nothing for us: what was not advertised may not be asked for.
                _ => {}
            },
            Some(("object-format", "sha1")) => {}
            Some(("object-format", other)) => return Err(ProtocolError::ObjectFormat(other.escape_debug().to_string())),
            Some(("agent", agent)) => capabilities.agent = Some(agent.to_owned()),
            Some(_) => {}
        }
    }
    Ok(capabilities)
}

fn refuse_duplicates(commands: &mut [Command]) {
    let mut order: Vec<usize> = (0..commands.len()).collect();
    order.sort_by(|a, b| commands[*a].name.cmp(&commands[*b].name));
    for pair in order.windows(2) {
        if commands[pair[0]].name == commands[pair[1]].name {
            for index in pair {
                commands[*index].update = Err("multiple updates for this ref not allowed".to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";
    const ZERO: &str = "0000000000000000000000000000000000000000";

    fn parse(lines: &[String]) -> Result<Request, ProtocolError> {
        parse_request(lines.iter().map(String::as_bytes))
    }

    #[test]
    fn a_push_of_two_refs() {
        let request = parse(&[
            format!("{ZERO} {A} refs/heads/main\0 report-status side-band-64k quiet object-format=sha1 agent=git/2.47.3"),
            format!("{A} {ZERO} refs/tags/v1\n"),
        ])
        .expect("a good request");
        let [main, tag] = &request.commands[..] else { panic!("two commands") };
        assert_eq!(
            main.update.as_ref().map(|update| (&update.old, update.new.as_ref().map(CommitId::as_str))),
            Ok((&None, Some(A)))
        );
        assert_eq!(tag.update.as_ref().map(|update| (update.name.as_str(), &update.new)), Ok(("refs/tags/v1", &None)));
        let wanted = Capabilities {
            report_status: true,
            side_band: true,
            quiet: true,
            agent: Some("git/2.47.3".into()),
            ..Capabilities::default()
        };
        assert_eq!(request.capabilities, wanted);
        assert!(request.brings_pack() && !request.shallow);
    }

    #[test]
    fn deletions_bring_no_pack() {
        assert!(!parse(&[format!("{A} {ZERO} refs/heads/x\0")]).expect("good").brings_pack());
    }

    #[test]
    fn a_bad_name_is_its_own_refs_trouble() {
        let request = parse(&[format!("{ZERO} {A} refs/heads/../x\0atomic"), format!("{ZERO} {A} refs/heads/y")]).expect("good");
        assert_eq!(request.commands[0].update, Err("funny refname".into()));
        assert!(request.commands[1].update.is_ok() && request.capabilities.atomic);
    }

    #[test]
    fn duplicates_are_refused_all() {
        let request = parse(&[
            format!("{ZERO} {A} refs/heads/x\0"),
            format!("{ZERO} {A} refs/heads/y"),
            format!("{A} {ZERO} refs/heads/x"),
        ])
        .expect("good");
        let refused: Vec<bool> = request.commands.iter().map(|command| command.update.is_err()).collect();
        assert_eq!(refused, [true, false, true]);
    }

    #[test]
    fn shallow_clones_are_noticed() {
        assert!(parse(&[format!("shallow {A}"), format!("{ZERO} {A} refs/heads/x\0")]).expect("good").shallow);
    }

    #[test]
    fn a_signed_push_has_its_commands_in_the_certificate() {
        let signed = |command: &str| {
            let certificate = format!("certificate version 0.1\nnonce x\n\n{command}-----BEGIN SSH SIGNATURE-----\n");
            let lines = certificate.split_inclusive('\n').map(str::to_owned);
            std::iter::once("push-cert\0atomic agent=x".to_owned()).chain(lines).collect::<Vec<_>>()
        };
        let command = format!("{ZERO} {A} refs/heads/x\n");
        let mut lines = signed(&command);
        assert_eq!(parse(&lines), Err(ProtocolError::Certificate("it has no end")));
        lines.push("push-cert-end\n".into());
        let request = parse(&lines).expect("good");
        assert!(request.capabilities.atomic && request.certificate.is_some());
        assert_eq!(request.commands[0].name, "refs/heads/x");
        let beside = Err(ProtocolError::Certificate("there are commands beside it"));
        assert_eq!(parse(&[&lines[..], std::slice::from_ref(&command)].concat()), beside);
        assert_eq!(parse(&[&[command][..], &lines].concat()), beside);
        let mut bad = signed("refs/heads/x\n");
        bad.push("push-cert-end\n".into());
        assert!(matches!(parse(&bad), Err(ProtocolError::Command(_))));
    }

    #[test]
    fn nonsense_is_refused() {
        let many = vec![format!("{ZERO} {A} refs/heads/x"); MAX_COMMANDS + 1];
        assert_eq!(parse(&many), Err(ProtocolError::TooManyCommands));
        for bad in [
            String::new(),
            "x".into(),
            format!("{ZERO} {A}"),
            format!("{ZERO} {A} "),
            format!("{ZERO}  {A} refs/heads/x"),
            format!("{ZERO} {} refs/heads/x", "g".repeat(40)),
            format!("{ZERO} {A} refs/heads/x\nok refs/heads/y"),
            format!("{ZERO} {A} refs/heads/{}", "x".repeat(MAX_NAME)),
            format!("{ZERO} {A} refs/heads/x\0object-format=sha256"),
            "shallow x".into(),
        ] {
            assert!(parse(std::slice::from_ref(&bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn options_have_bounds() {
        assert_eq!(parse_options([&b"a=b c\n"[..], b""]), Ok(vec!["a=b c".to_owned(), String::new()]));
        assert!(parse_options(vec![&b"x"[..]; MAX_OPTIONS + 1]).is_err());
        assert!(parse_options([&vec![b'x'; MAX_OPTION_BYTES + 1][..]]).is_err());
        assert!(parse_options([&b"\xff"[..]]).is_err());
    }
}
