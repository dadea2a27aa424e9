//! The commands of protocol v2: no input panics, and what is accepted is within bounds.

use hoist::git::upload_pack::{Command, CommandReader, FetchError, MAX_OBJECTS, MAX_PREFIXES};

/// Lines come without their lengths: 0x1e, which no field holds, stands between them. An empty one is the delimiter.
fn read(bytes: &[u8]) -> Result<Command, FetchError> {
    let mut reader = CommandReader::default();
    for line in bytes.split(|byte| *byte == 0x1e) {
        if line.is_empty() { reader.read_delimiter()? } else { reader.read_line(line)? }
    }
    reader.finish()
}

pub(crate) fn run(bytes: &[u8]) {
    match read(bytes) {
        Ok(Command::LsRefs(asked)) => assert!(asked.prefixes.len() <= MAX_PREFIXES),
        Ok(Command::Fetch(fetch)) => assert!(fetch.named() <= MAX_OBJECTS),
        Err(_) => {}
    }
}
