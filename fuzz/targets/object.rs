//! The content of one object, behind the name of its kind and a line's end: refused in words, or nothing that a checkout would
//! have to fear.

use std::collections::HashSet;

use hoist::git::examine_object;

pub(crate) fn run(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(name) = std::str::from_utf8(&bytes[..end]) else { return };
    let content = &bytes[end + 1..];
    match (name, examine_object(name, content)) {
        (_, Err(why)) => assert!(!why.is_empty()),
        ("tree", Ok(references)) => {
            let names = names(content);
            assert!(references <= 2 * names.len(), "an object and a file that git obeys for each entry");
            assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
            let is_bad =
                |name: &[u8]| matches!(name, b"" | b"." | b"..") || name.contains(&b'/') || name.eq_ignore_ascii_case(b".git");
            assert!(!names.iter().any(|name| is_bad(name)));
        }
        (_, Ok(references)) => assert!(references <= content.len() / "tree \n".len()),
    }
}

/// The names in a tree, whose entries are a mode, a name and 20 bytes of an id.
fn names(mut tree: &[u8]) -> Vec<&[u8]> {
    let mut names = Vec::new();
    while !tree.is_empty() {
        let nul = tree.iter().position(|byte| *byte == 0).expect("a name ends");
        let space = tree.iter().position(|byte| *byte == b' ').expect("a mode ends");
        names.push(&tree[space + 1..nul]);
        tree = &tree[nul + 21..];
    }
    names
}
