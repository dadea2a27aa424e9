//! What an SSH client asks to run: no input panics, and what is understood begins with a program of git's.

pub(crate) fn run(text: &[u8]) {
    if hoist::transport::ssh::is_command(text) {
        let text = std::str::from_utf8(text).expect("a command is text").replace(['\'', '"', '\\'], "");
        assert!(text.trim_start().starts_with("git"), "{text:?}");
        assert!(!text.contains(['\0', ';', '|', '&', '`']), "{text:?}");
    }
}
