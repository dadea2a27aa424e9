//! Lock files of any name: no input panics, and what is taken for a package has a name and a version that can be shown.

use hoist::image::of_slug::read_lock_file;

pub(crate) fn run(bytes: &[u8]) {
    // The first line is the file's name.
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n').map(|part| std::str::from_utf8(part).unwrap_or_default());
    let (name, text) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    for package in read_lock_file(name, text).unwrap_or_default() {
        for word in [&package.name, &package.version] {
            assert!((1..=256).contains(&word.len()) && !word.contains(char::is_whitespace) && !word.contains(char::is_control));
        }
    }
}
