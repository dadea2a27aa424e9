//! `~/.netrc`, where logins are kept, also those of other programs.
//!
//! Only the lines of one machine are touched. Whether the file then says what it should, and of every other machine what
//! it said before, the parser is asked before anything is written.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::NamedTempFile;
use ureq::http::uri::Authority;
use uv_netrc::Netrc;

use super::error::CliError;
use crate::model::Secret;

/// An entry: who is logged in, and their token.
pub(super) struct Entry {
    pub(super) login: String,
    pub(super) token: Secret,
}

/// Where it is.
pub(super) fn path(home: Option<PathBuf>) -> Result<PathBuf, CliError> {
    let home = home.ok_or_else(|| CliError::User("HOME is not set, so there is no ~/.netrc.".into()))?;
    let path = home.join(".netrc");
    // A link stays one: what it leads to is written.
    Ok(path.canonicalize().unwrap_or(path))
}

/// The token for `HOST:PORT` (where the Heroku CLI puts it) or `HOST`.
pub(super) fn token(path: &Path, authority: &Authority) -> Result<Option<Secret>, CliError> {
    let netrc = parse(path, &read(path)?)?;
    let entry = netrc.hosts.get(authority.as_str()).or_else(|| netrc.hosts.get(authority.host()));
    Ok(entry.map(|entry| Secret::new(entry.password.clone())))
}

/// Replaces the entry of a machine, or removes it.
pub(super) fn write(path: &Path, machine: &str, entry: Option<&Entry>) -> Result<(), CliError> {
    let before = read(path)?;
    let after = with_entry(&before, machine, entry);
    if !says(&parse(path, &before)?, &parse(path, &after)?, machine, entry) {
        return Err(CliError::User(format!(
            "{} is written in a way that hoist can't change safely. Change the entry of `machine {machine}` by hand.",
            path.display()
        )));
    }
    let write = || {
        let folder = path.parent().context("~/.netrc is in no folder")?;
        // Nobody else may read it, from its first byte on.
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(after.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        anyhow::Ok(())
    };
    Ok(write().with_context(|| format!("can't write {}", path.display()))?)
}

fn read(path: &Path) -> Result<String, CliError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(CliError::User(format!("can't read {}: {error}", path.display()))),
    }
}

/// Without the parser's own words, which repeat what they could not read.
fn parse(path: &Path, text: &str) -> Result<Netrc, CliError> {
    text.parse().map_err(|_| CliError::User(format!("{} is not written as a netrc file should be.", path.display())))
}

/// The text with the machine's lines replaced: from the one that names it to the next that begins something else.
fn with_entry(text: &str, machine: &str, entry: Option<&Entry>) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut is_ours = false;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("machine") => is_ours = words.next() == Some(machine),
            Some("default" | "macdef") => is_ours = false,
            // It may be about what follows.
            Some(comment) if comment.starts_with('#') => is_ours = false,
            _ => {}
        }
        if !is_ours {
            lines.push(line.to_owned());
        }
    }
    if let Some(Entry { login, token }) = entry {
        // Behind `default` nothing is looked at.
        let is_default = |line: &String| line.split_whitespace().next() == Some("default");
        let place = lines.iter().position(is_default).unwrap_or(lines.len());
        let ours = [format!("machine {machine}"), format!("  login {login}"), format!("  password {}", token.expose())];
        lines.splice(place..place, ours);
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

fn says(before: &Netrc, after: &Netrc, machine: &str, entry: Option<&Entry>) -> bool {
    let others = |netrc: &Netrc| {
        let others = netrc.hosts.iter().filter(|(host, _)| host.as_str() != machine);
        let others = others.map(|(host, one)| [host, &one.login, &one.account, &one.password].map(String::clone));
        others.collect::<BTreeSet<_>>()
    };
    let ours = match (after.hosts.get(machine), entry) {
        (Some(found), Some(entry)) => found.login == entry.login && found.password == entry.token.expose(),
        (found, None) => found.is_none(),
        (None, Some(_)) => false,
    };
    ours && others(before) == others(after) && before.macros == after.macros
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const MACHINE: &str = "localhost:5000";

    fn entry() -> Entry {
        Entry { login: "a@example.com".into(), token: Secret::new("t1") }
    }

    fn set(text: &str) -> String {
        with_entry(text, MACHINE, Some(&entry()))
    }

    const OURS: &str = "machine localhost:5000\n  login a@example.com\n  password t1\n";

    #[test]
    fn the_entry_is_added_and_replaced() {
        assert_eq!(set(""), OURS);
        assert_eq!(set(OURS), OURS);
        assert_eq!(set("machine localhost:5000 login b password t0"), OURS);
        let other = "# mine\nmachine github.com\n\tlogin me\n\tpassword p\n";
        assert_eq!(set(other), format!("{other}{OURS}"));
        assert_eq!(set(&format!("{OURS}{other}")), format!("{other}{OURS}"));
        assert_eq!(set("default login me password p\n"), format!("{OURS}default login me password p\n"));
        assert_eq!(with_entry(&format!("{other}{OURS}"), MACHINE, None), other);
    }

    #[test]
    fn a_file_is_written_for_its_owner_only() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".netrc");
        std::fs::write(&path, "machine github.com login me password p\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, MACHINE, Some(&entry())).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(token(&path, &MACHINE.parse().unwrap()).unwrap(), Some(Secret::new("t1")));
        write(&path, MACHINE, None).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "machine github.com login me password p\n");
    }

    #[test]
    fn what_would_change_somebody_elses_entry_is_not_written() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".netrc");
        let text = "machine localhost:5000 login b password t0 machine github.com login me password p\n";
        std::fs::write(&path, text).unwrap();
        assert!(write(&path, MACHINE, Some(&entry())).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}
