//! `.gitmodules`: where submodules come from (gitmodules(5)).

use std::collections::HashMap;

use gix_config::File;
use gix_config::file::Metadata;

/// Reads which URL belongs to which path. What is not understood is left out: its submodule then has no URL.
pub(super) fn parse_gitmodules(bytes: &[u8]) -> HashMap<String, String> {
    let Ok(file) = File::from_bytes_no_includes(bytes, Metadata::api(), gix_config::file::init::Options::default()) else {
        return HashMap::new();
    };
    let sections = file.sections_by_name("submodule").into_iter().flatten();
    sections.filter_map(|section| Some((section.value("path")?.to_string(), section.value("url")?.to_string()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_urls() {
        let text = b"[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = ../lib.git\n[submodule \"no url\"]\n\tpath = x\n\
            [submodule \"b\"]\n\turl = \"https://h/b\"\n\tpath = b\n\tupdate = !rm -rf /\n[include]\n\tpath = /etc/passwd\n";
        let mut found: Vec<_> = parse_gitmodules(text).into_iter().collect();
        found.sort();
        let pair = |path: &str, url: &str| (path.to_owned(), url.to_owned());
        assert_eq!(found, [pair("b", "https://h/b"), pair("vendor/lib", "../lib.git")]);
        assert!(parse_gitmodules(b"[submodule").is_empty() && parse_gitmodules(b"\xff\0").is_empty());
    }
}
