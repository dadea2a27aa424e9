//! Lock files that are read line by line: their time grows with their length, whatever stands in them.

use std::collections::BTreeMap;

use super::Package;
use super::locks::python;

/// pip's: only what is pinned is known, `name[extra]==1.0 ; marker  # comment`.
pub(super) fn requirements(text: &str) -> Vec<Package> {
    let package = |line: &str| {
        let line = line.split(['#', ';', '\\']).next()?;
        let (name, version) = line.split_once("==")?;
        let name = name.split('[').next()?.trim();
        let version = version.trim_start_matches('=').split_whitespace().next()?;
        (!name.starts_with('-') && !version.contains(['*', ','])).then(|| python(name, version))
    };
    text.lines().filter_map(package).collect()
}

/// Bundler's: `    name (version)` below `specs:`, four blanks deep; what each needs stands deeper. A platform may follow the
/// version, as in `1.2.3-x86_64-linux`.
pub(super) fn gemfile_lock(text: &str) -> Vec<Package> {
    let package = |line: &str| {
        let spec = line.strip_prefix("    ").filter(|rest| !rest.starts_with(' '))?;
        let (name, version) = spec.strip_suffix(')')?.split_once(" (")?;
        Some(Package::new("gem", name, version.split('-').next()?))
    };
    text.lines().filter_map(package).collect()
}

/// pnpm's: keys below `packages:`, `/name@version`, in later versions `name@version`, with what it was resolved against in
/// brackets. It is YAML, but always written like this, and no YAML parser is as fast as strangers can make it slow.
pub(super) fn pnpm_lock(text: &str) -> Vec<Package> {
    let package = |line: &str| {
        let key = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '))?;
        let key = key.split_once(": ").map_or(key, |(key, _)| key).trim_end_matches(':').trim_matches(['\'', '"']);
        let key = key.trim_start_matches('/').split('(').next()?;
        // The first character may be the `@` of a scope.
        let at = key.rfind('@').filter(|at| *at > 0)?;
        Some(Package::new("npm", &key[..at], &key[at + 1..]))
    };
    let below = text.lines().skip_while(|line| *line != "packages:").skip(1);
    below.take_while(|line| line.is_empty() || line.starts_with(' ')).filter_map(package).collect()
}

/// Yarn's: `"@a/b@^1.0.0", "@a/b@1":` at a line's beginning, below it `  version "1.2.3"`, from version 2 on `  version: 1.2.3`.
pub(super) fn yarn_lock(text: &str) -> Vec<Package> {
    let mut name = None;
    let mut packages = Vec::new();
    for line in text.lines() {
        if line.starts_with(|c: char| !c.is_whitespace() && c != '#') {
            name = yarn_name(line);
        } else if let Some(version) = line.strip_prefix("  version")
            && let Some(name) = name.take()
        {
            packages.push(Package::new("npm", name, version.trim_start_matches(':').trim().trim_matches('"')));
        }
    }
    packages
}

/// What stands before a folder of the app's own, in place of a version.
const OWN: [&str; 4] = ["workspace:", "link:", "portal:", "file:"];

/// The package that an entry is of; none when it is the app's own.
fn yarn_name(line: &str) -> Option<&str> {
    let asked = line.trim_start_matches('"').split([',', '"']).next()?.trim_end_matches(':');
    let (name, wanted) = split_scoped(asked)?;
    match wanted.strip_prefix("npm:") {
        // Installed under another name than its own: `mine@npm:theirs@^1.0.0`.
        Some(own) => Some(split_scoped(own).map_or(name, |(own, _)| own)),
        None => (!OWN.iter().any(|own| wanted.starts_with(own))).then_some(name),
    }
}

/// `@a/b@1` at the `@` that is not the scope's.
fn split_scoped(text: &str) -> Option<(&str, &str)> {
    let (at, _) = text.char_indices().skip(1).find(|(_, c)| *c == '@')?;
    Some((&text[..at], &text[at + 1..]))
}

/// Go's (go.dev/ref/mod, "go.mod files"): since Go 1.17, every module that the app is built of is required there. go.sum
/// names more than these.
pub(super) fn go_mod(text: &str) -> Vec<Package> {
    let mut required = BTreeMap::new();
    let mut replaced = Vec::new();
    let mut block = None;
    for line in text.lines() {
        let mut words = line.split("//").next().unwrap_or_default().split_whitespace().peekable();
        if words.peek() == Some(&")") {
            block = None;
            continue;
        }
        let Some(verb) = block.or_else(|| words.next()) else { continue };
        if words.peek() == Some(&"(") {
            block = Some(verb);
            continue;
        }
        match (verb, words.collect::<Vec<_>>().as_slice()) {
            ("require", [module, version]) => drop(required.insert(*module, *version)),
            ("replace", [module, .., "=>", new, version]) => replaced.push((*module, Some((*new, *version)))),
            // By a folder of the app's own.
            ("replace", [module, .., "=>", _]) => replaced.push((*module, None)),
            _ => {}
        }
    }
    for (module, new) in replaced {
        if required.remove(module).is_some() {
            required.extend(new);
        }
    }
    required.into_iter().map(|(module, version)| Package::new("golang", module, version)).collect()
}

/// Gradle's `gradle.lockfile`: `group:artifact:version=configurations`, of which those count that run.
pub(super) fn gradle_lockfile(text: &str) -> Vec<Package> {
    let runs = |configuration: &str| configuration.ends_with("untimeClasspath") && !configuration.starts_with("test");
    let package = |line: &str| {
        let (module, configurations) = line.split_once('=')?;
        let mut parts = module.split(':');
        let (group, artifact, version) = (parts.next()?, parts.next()?, parts.next()?);
        configurations.split(',').any(runs).then(|| Package::new("maven", format!("{group}/{artifact}"), version))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(package).collect()
}
