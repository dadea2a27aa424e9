//! Holds the rules of direction: which folder of `src/` may import which.

use std::collections::BTreeMap;
use std::path::Path;

/// Every folder or file of `src/`, and what it may import besides itself. Imports go only downward: doors, spine,
/// stages, ground, model (ARCHITECTURE.md).
const ALLOWED: &[(&str, &[&str])] = &[
    ("main", &["engine", "git", "cli"]),
    (
        "server",
        &[
            "addons",
            "api",
            "audit",
            "auth",
            "build",
            "config",
            "connections",
            "ctx",
            "db",
            "deploy",
            "docker",
            "engine",
            "fetch",
            "forge",
            "gc",
            "git",
            "image",
            "launch",
            "model",
            "registry",
            "repos",
            "slug",
            "stack",
            "store",
            "tell",
            "telemetry",
            "transport",
        ],
    ),
    (
        "ctx",
        &[
            "addons", "auth", "build", "config", "db", "deploy", "docker", "engine", "git", "image", "model", "outbox", "slug",
            "store", "tell",
        ],
    ),
    ("telemetry", &[]),
    ("config", &["model"]),
    // Doors. The one edge sideways: the client knows the API's types.
    (
        "api",
        &[
            "addons",
            "apps",
            "audit",
            "auth",
            "build",
            "config",
            "connections",
            "ctx",
            "db",
            "deploy",
            "fetch",
            "image",
            "launch",
            "model",
            "pipelines",
            "release",
            "slug",
            "stack",
            "store",
            "tell",
            "telemetry",
        ],
    ),
    (
        "cli",
        &[
            "api",
            "audit",
            "auth",
            "config",
            "connections",
            "db",
            "engine",
            "gc",
            "git",
            "image",
            "model",
            "release",
            "repos",
            "server",
            "stack",
            "store",
        ],
    ),
    ("forge", &["auth", "config", "connections", "ctx", "db", "model"]),
    ("registry", &["audit", "auth", "config", "ctx", "db", "deploy", "image", "model", "store", "telemetry"]),
    (
        "transport",
        &[
            "apps",
            "audit",
            "auth",
            "build",
            "config",
            "ctx",
            "db",
            "deploy",
            "git",
            "lfs",
            "model",
            "release",
            "store",
            "telemetry",
        ],
    ),
    // Spine.
    (
        "deploy",
        &[
            "apps",
            "addons",
            "auth",
            "build",
            "config",
            "ctx",
            "db",
            "docker",
            "engine",
            "fetch",
            "git",
            "image",
            "lfs",
            "model",
            "outbox",
            "release",
            "repos",
            "run",
            "slug",
            "stack",
            "store",
            "tell",
            "telemetry",
            "transcript",
        ],
    ),
    // Stages: strangers to one another.
    ("addons", &["model"]),
    ("apps", &["db", "model"]),
    ("audit", &["db", "model"]),
    ("auth", &["db", "model"]),
    ("build", &["docker", "engine", "fetch", "git", "model", "store", "tarball", "transcript"]),
    ("connections", &["db", "model"]),
    ("gc", &["db", "model", "store"]),
    ("image", &["db", "engine", "model", "store", "tarball"]),
    ("launch", &["db", "fetch", "model", "outbox"]),
    ("lfs", &["db", "model", "store"]),
    ("pipelines", &["db", "model"]),
    ("release", &["db", "model"]),
    ("repos", &["db", "git", "model"]),
    ("run", &["engine", "model", "transcript"]),
    ("slug", &["model", "store", "tarball"]),
    ("stack", &["engine", "fetch", "model", "tarball"]),
    ("tell", &["db", "fetch", "model", "outbox"]),
    // Ground: strangers to one another.
    ("db", &["model"]),
    ("docker", &["model"]),
    // The one edge sideways: containers of a Docker Engine are environments.
    ("engine", &["docker", "model"]),
    ("fetch", &["model"]),
    ("git", &["model"]),
    ("outbox", &[]),
    ("store", &["model"]),
    ("tarball", &["model"]),
    ("transcript", &["model"]),
    ("model", &[]),
];

#[test]
fn imports_go_only_downward() {
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for file in rust_files(&src) {
        let inside = file.strip_prefix(&src).unwrap();
        let part = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if part == "lib" {
            continue;
        }
        let may = allowed.get(part).unwrap_or_else(|| panic!("{part} is not in the table"));
        let text = std::fs::read_to_string(&file).unwrap();
        for import in imports(&text) {
            if import != part && !may.contains(&import.as_str()) {
                wrong.push(format!("{} imports {import}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_line_of_the_table_is_a_part_of_the_house() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (part, _) in ALLOWED {
        assert!(src.join(part).is_dir() || src.join(format!("{part}.rs")).is_file(), "{part}");
    }
}

/// The first names behind `crate::` and `hoist::`, also those of `use crate::{a, b::c}`.
fn imports(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut names = Vec::new();
    for root in ["crate::", "hoist::"] {
        for (at, _) in code.match_indices(root) {
            let rest = &code[at + root.len()..];
            match rest.strip_prefix('{') {
                Some(list) => names.extend(top_level(list)),
                None => names.extend(name(rest)),
            }
        }
    }
    names
}

fn name(text: &str) -> Option<String> {
    let name: String = text.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    (!name.is_empty() && name.chars().all(|c| !c.is_ascii_uppercase())).then_some(name)
}

/// The first names of a braced list.
fn top_level(list: &str) -> Vec<String> {
    let mut depth = 0;
    let mut start = true;
    let mut names = Vec::new();
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && !c.is_whitespace() => {
                names.extend(name(&list[at..]));
                start = false;
            }
            _ => {}
        }
    }
    names
}

fn rust_files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn imports_are_found_in_all_their_forms() {
    let text = "use crate::a::B;\nuse crate::{c, d::{e, f}, g};\n// crate::comment\nlet x = crate::h::y();";
    let mut found = imports(text);
    found.sort();
    assert_eq!(found, ["a", "c", "d", "g", "h"]);
}
