//! Which of the host's user ids stand for the sandbox's: its users 0 to 65,535 are nobody's on the host.
//!
//! Root gives every sandbox the same range from [`ROOT_BASE`]. An ordinary user is the sandbox's root, and the
//! range that `/etc/subuid` gives that user stands for the other ids; the set-uid programs `newuidmap` and
//! `newgidmap` write that map.

use std::fs;
use std::path::{Path, PathBuf};

use super::programs;
use crate::engine::EngineError;

/// First id of a sandbox under a daemon that runs as root: above the subordinate ids that `useradd` gives out (up
/// to 600,100,000), inside the range that systemd sets aside for containers (up to 1,879,048,191).
const ROOT_BASE: u32 = 1_000_000_000;

/// Ids in a sandbox.
const COUNT: u32 = 65_536;

/// How ids are mapped on this host.
#[derive(Debug)]
pub(super) enum Mapping {
    Root,
    User { newuidmap: PathBuf, newgidmap: PathBuf, uids: Ids, gids: Ids },
}

/// An ordinary user's own id, and the first of the ids subordinate to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ids {
    own: u32,
    subordinate: u32,
}

impl Mapping {
    /// Finds the mapping for the user who runs this. Fails, and says what to do, if that user has no subordinate
    /// ids.
    pub(super) fn find() -> Result<Self, EngineError> {
        let uid = rustix::process::geteuid();
        if uid.is_root() {
            return Ok(Self::Root);
        }
        let uid = uid.as_raw();
        let passwd = fs::read_to_string("/etc/passwd").map_err(|error| EngineError::io("cannot read /etc/passwd", error))?;
        let user = user_name(&passwd, uid).unwrap_or_else(|| uid.to_string());
        Ok(Self::User {
            newuidmap: programs::find("newuidmap", "uidmap")?,
            newgidmap: programs::find("newgidmap", "uidmap")?,
            uids: Ids { own: uid, subordinate: subordinate("/etc/subuid", &user, uid)? },
            gids: Ids { own: rustix::process::getegid().as_raw(), subordinate: subordinate("/etc/subgid", &user, uid)? },
        })
    }

    /// Maps the ids of the process `pid`, which has just entered a user namespace.
    pub(super) fn apply(&self, pid: u32) -> Result<(), EngineError> {
        match self {
            Self::Root => ["uid_map", "gid_map"].iter().try_for_each(|map| {
                fs::write(format!("/proc/{pid}/{map}"), format!("0 {ROOT_BASE} {COUNT}\n"))
                    .map_err(|error| EngineError::io(format!("cannot write the sandbox's {map}"), error))
            }),
            Self::User { newuidmap, newgidmap, uids, gids } => {
                run_mapper(newuidmap, pid, uids)?;
                run_mapper(newgidmap, pid, gids)
            }
        }
    }

    /// Makes `dir` belong to the sandbox's root.
    pub(super) fn give_away(&self, dir: &Path) -> Result<(), EngineError> {
        match self {
            Self::Root => std::os::unix::fs::chown(dir, Some(ROOT_BASE), Some(ROOT_BASE))
                .map_err(|error| EngineError::io(format!("cannot hand over {}", dir.display()), error)),
            // Is the sandbox's root already.
            Self::User { .. } => Ok(()),
        }
    }
}

fn run_mapper(program: &Path, pid: u32, ids: &Ids) -> Result<(), EngineError> {
    let map = [pid, 0, ids.own, 1, 1, ids.subordinate, COUNT - 1].map(|number| number.to_string());
    programs::run(program, &map, "")
}

/// The name of the user `uid` in the text of `/etc/passwd`.
fn user_name(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

fn subordinate(file: &str, user: &str, uid: u32) -> Result<u32, EngineError> {
    // A missing file gives nobody a range, and the answer to that is the same.
    let text = fs::read_to_string(file).unwrap_or_default();
    parse_subordinate(&text, user, uid).ok_or_else(|| {
        EngineError::new(format!(
            "{file} gives user {user} no range of {COUNT} ids; as root run: usermod --add-subuids 100000-165535 \
             --add-subgids 100000-165535 {user}"
        ))
    })
}

/// The first range of enough ids that the text of `/etc/subuid` gives to a user, who may be named by name or number.
fn parse_subordinate(text: &str, user: &str, uid: u32) -> Option<u32> {
    text.lines().find_map(|line| {
        let (name, range) = line.split_once(':')?;
        let (first, count) = range.split_once(':')?;
        let belongs = name == user || name.parse() == Ok(uid);
        (belongs && count.trim().parse::<u32>().ok()? >= COUNT - 1).then(|| first.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_range_that_is_large_enough() {
        let text = "ann:100000:65536\nbob:165536:1000\nbob:300000:65536\n1003:400000:65536\nbroken\n";
        assert_eq!(parse_subordinate(text, "ann", 1001), Some(100_000));
        assert_eq!(parse_subordinate(text, "bob", 1002), Some(300_000));
        assert_eq!(parse_subordinate(text, "carl", 1003), Some(400_000));
        assert_eq!(parse_subordinate(text, "dora", 1004), None);
    }

    #[test]
    fn finds_a_user_by_id() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nann:x:1001:1001::/home/ann:/bin/sh\n";
        assert_eq!(user_name(passwd, 1001), Some("ann".into()));
        assert_eq!(user_name(passwd, 1), None);
    }
}
