//! Which updates of a push can be: checked against the refs there are, before any work.

use std::collections::{HashMap, HashSet};

use crate::model::{CommitId, RefName};

use super::commands::{Command, RefUpdate};

/// Most refs that an app may have. All of them are told to whoever pushes.
const MAX_REFS: usize = 100_000;

/// Refuses, in place, the updates that cannot be: the ref is not where the client saw it, or one name
/// would have to be both a ref and a folder of refs.
pub(super) fn refuse_impossible(commands: &mut [Command], refs: &[(RefName, CommitId)]) {
    let current: HashMap<&str, &CommitId> = refs.iter().map(|(name, id)| (name.as_str(), id)).collect();
    let names = NamesAfter::the_push(commands, &current);
    for command in commands {
        let Ok(update) = &command.update else { continue };
        if let Err(reason) = check_old(update, current.get(update.name.as_str()).copied()).and_then(|()| names.check(update)) {
            command.update = Err(reason);
        }
    }
}

fn check_old(update: &RefUpdate, current: Option<&CommitId>) -> Result<(), String> {
    match (&update.old, current) {
        (Some(old), Some(current)) if old == current => Ok(()),
        (None, None) => Ok(()),
        (None, Some(current)) => Err(format!("the ref exists by now, at {}; fetch first", current.short())),
        (Some(_), Some(current)) => Err(format!("the ref has moved to {}; fetch first", current.short())),
        (Some(_), None) => Err("the ref is gone by now; fetch first".into()),
    }
}

/// The names that would stand after the push, and all folders above them.
struct NamesAfter {
    names: HashSet<String>,
    folders: HashSet<String>,
}

impl NamesAfter {
    fn the_push(commands: &[Command], current: &HashMap<&str, &CommitId>) -> Self {
        let mut names: HashSet<String> = current.keys().map(|name| (*name).to_owned()).collect();
        for update in commands.iter().filter_map(|command| command.update.as_ref().ok()) {
            match update.new {
                Some(_) => names.insert(update.name.to_string()),
                None => names.remove(update.name.as_str()),
            };
        }
        let folders = names.iter().flat_map(|name| folders_above(name)).map(str::to_owned).collect();
        Self { names, folders }
    }

    fn check(&self, update: &RefUpdate) -> Result<(), String> {
        let name = update.name.as_str();
        if update.new.is_none() || update.old.is_some() {
            return Ok(());
        }
        if self.names.len() > MAX_REFS {
            return Err(format!("there would be more than {MAX_REFS} refs, the most that an app may have; delete some"));
        }
        if let Some(other) = folders_above(name).find(|folder| self.names.contains(*folder)) {
            return Err(format!("'{other}' exists; cannot create '{name}'"));
        }
        if self.folders.contains(name) {
            return Err(format!("refs below '{name}/' exist; cannot create '{name}'"));
        }
        Ok(())
    }
}

fn folders_above(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').map(|(slash, _)| &name[..slash])
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    /// `(name, old, new)` per command, an empty text for none; gives the reasons of refusal.
    fn check(refs: &[(&str, &str)], commands: &[(&str, &str, &str)]) -> Vec<String> {
        let id = |text: &str| text.parse::<CommitId>().ok();
        let refs: Vec<_> = refs.iter().map(|(name, at)| (name.parse().expect("good"), id(at).expect("good"))).collect();
        let mut commands: Vec<_> = commands
            .iter()
            .map(|(name, old, new)| Command {
                name: (*name).into(),
                deletes: new.is_empty(),
                update: Ok(RefUpdate { name: name.parse().expect("good"), old: id(old), new: id(new) }),
            })
            .collect();
        refuse_impossible(&mut commands, &refs);
        commands.into_iter().map(|command| command.update.err().unwrap_or_default()).collect()
    }

    #[test]
    fn old_values_must_be_current() {
        let refs = [("refs/heads/x", A)];
        assert_eq!(check(&refs, &[("refs/heads/x", A, B)]), [""]);
        assert_eq!(check(&refs, &[("refs/heads/x", A, "")]), [""]);
        assert_eq!(check(&refs, &[("refs/heads/x", B, A)]), ["the ref has moved to aaaaaaaa; fetch first"]);
        assert_eq!(check(&refs, &[("refs/heads/x", "", A)]), ["the ref exists by now, at aaaaaaaa; fetch first"]);
        assert_eq!(check(&refs, &[("refs/heads/y", A, B)]), ["the ref is gone by now; fetch first"]);
        // git lets this pass, too: what is not wanted is not there.
        assert_eq!(check(&refs, &[("refs/heads/y", "", "")]), [""]);
    }

    #[test]
    fn there_is_a_most_of_refs() {
        let names: Vec<String> = (0..MAX_REFS).map(|number| format!("refs/tags/{number}")).collect();
        let refs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), A)).collect();
        let [reason] = &check(&refs, &[("refs/heads/x", "", A)])[..] else { panic!("one command") };
        assert!(reason.starts_with("there would be more than 100000 refs"), "{reason}");
        assert_eq!(check(&refs, &[("refs/heads/x", "", A), ("refs/tags/0", A, "")]), ["", ""]);
        assert_eq!(check(&refs, &[("refs/tags/0", A, B)]), [""]);
    }

    #[test]
    fn a_name_is_a_ref_or_a_folder() {
        let refs = [("refs/heads/x/y", A)];
        assert_eq!(check(&refs, &[("refs/heads/x", "", A)]), ["refs below 'refs/heads/x/' exist; cannot create 'refs/heads/x'"]);
        assert_eq!(check(&refs, &[("refs/heads/x/y", A, ""), ("refs/heads/x", "", A)]), ["", ""]);
        let both = check(&[], &[("refs/heads/x", "", A), ("refs/heads/x/y", "", A)]);
        assert!(both.iter().all(|reason| !reason.is_empty()), "{both:?}");
        assert_eq!(check(&refs, &[("refs/heads/xx", "", A), ("refs/heads/x/y", A, B)]), ["", ""]);
    }
}
