//! `.gitmodules`: where submodules come from (gitmodules(5)).

use std::collections::HashMap;

use gix_config::File;
use gix_config::file::Metadata;

use crate::model::RefName;

/// What is said of one submodule.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub name: String,
    pub url: Option<String>,
    /// What git would follow on demand; of use where a commit is not given out by its id.
    pub branch: Option<RefName>,
    /// `update = none`: it is left alone unless somebody asks for it by name.
    pub is_skipped: bool,
}

/// Reads what belongs to which path. What is not understood is left out: its submodule then has no URL.
pub(super) fn parse_gitmodules(bytes: &[u8]) -> HashMap<String, Entry> {
    let Ok(file) = File::from_bytes_no_includes(bytes, Metadata::api(), gix_config::file::init::Options::default()) else {
        return HashMap::new();
    };
    let sections = file.sections_by_name("submodule").into_iter().flatten();
    let names = sections.filter_map(|section| section.header().subsection_name());
    let entry = |name| {
        // All sections of a name are one.
        let value = |key| file.string_by("submodule", Some(name), key).map(|value| value.to_string());
        let branch = value("branch").and_then(|branch| format!("refs/heads/{branch}").parse().ok());
        let is_skipped = value("update").is_some_and(|update| update == "none");
        Some((value("path")?, Entry { name: name.to_string(), url: value("url"), branch, is_skipped }))
    };
    names.filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_what_is_said_of_them() {
        let text = b"[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = ../lib.git\n\tbranch = stable\n\
            [submodule \"no url\"]\n\tpath = x\n\tupdate = none\n\
            [submodule \"b\"]\n\turl = \"https://h/b\"\n\tbranch = .\n[submodule \"b\"]\n\tpath = b\n\tupdate = rebase\n\
            [submodule]\n\tpath = y\n[include]\n\tpath = /etc/passwd\n";
        let mut found: Vec<_> = parse_gitmodules(text).into_iter().collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        let entry = |path: &str, name: &str, url: Option<&str>| {
            (path.to_owned(), Entry { name: name.to_owned(), url: url.map(str::to_owned), ..Entry::default() })
        };
        let mut expected =
            [entry("b", "b", Some("https://h/b")), entry("vendor/lib", "lib", Some("../lib.git")), entry("x", "no url", None)];
        expected[1].1.branch = Some("refs/heads/stable".parse().unwrap());
        expected[2].1.is_skipped = true;
        assert_eq!(found, expected);
        assert!(parse_gitmodules(b"[submodule").is_empty() && parse_gitmodules(b"\xff\0").is_empty());
    }
}
