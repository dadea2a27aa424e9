//! The commands and options of a push: no input panics, and what is accepted is within bounds.

use hoist::git::commands::{MAX_COMMANDS, MAX_OPTION_BYTES, MAX_OPTIONS, parse_options, parse_request};

pub(crate) fn run(bytes: &[u8]) {
    // Lines come without their lengths: 0x1e, which no field holds, stands between them.
    let lines = || bytes.split(|byte| *byte == 0x1e);
    if let Ok(request) = parse_request(lines()) {
        assert!(request.commands.len() <= MAX_COMMANDS);
        assert!(request.commands.iter().all(|command| !command.name.contains('\n')));
    }
    if let Ok(options) = parse_options(lines()) {
        assert!(options.len() <= MAX_OPTIONS);
        assert!(options.iter().all(|option| option.len() <= MAX_OPTION_BYTES));
    }
}
