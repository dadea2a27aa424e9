//! The `hoist` executable: helpers that hoist starts of itself first, then the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Helpers run strangers' bytes and commands in processes of their own. They must be single-threaded at this
    // point, so they are told apart before anything else is set up.
    match std::env::args().nth(1).as_deref() {
        Some("sandbox-init") => hoist::engine::helper_main(),
        Some(command @ ("container-init" | "container-answer")) => hoist::engine::inside_main(command),
        Some("index-pack") => hoist::git::helper_main(),
        _ => hoist::cli::main(),
    }
}
