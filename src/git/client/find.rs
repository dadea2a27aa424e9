//! Which commit a name leads to in another server's repository.

use tokio::task::spawn_blocking;

use super::ClientError;
use super::budget::Budget;
use super::connection::{self, Connection, Http};
use super::session::{self, Trouble};
use crate::model::{CommitId, RefName, Revision};

const HEAD: &str = "HEAD";

/// Where a revision is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundRevision {
    Commit(CommitId),
    /// No ref tells: the digits may be those of a commit behind this one, which the default branch leads to.
    Behind {
        head: CommitId,
        digits: String,
    },
}

/// Asks a server which commit a ref leads to.
pub async fn find_ref(connection: Connection, name: &RefName) -> Result<CommitId, ClientError> {
    let refs = list(connection, vec![name.to_string()]).await?;
    commit_of(&refs, name.as_str()).ok_or_else(|| ClientError::NoRef(name.clone()))
}

/// Asks a server what a revision means; without one, what its default branch leads to.
pub async fn find_revision(connection: Connection, at: Option<&Revision>) -> Result<FoundRevision, ClientError> {
    let mut prefixes = vec![HEAD.to_owned()];
    if let Some(at) = at {
        let names = at.ref_names();
        prefixes.extend(names.iter().map(ToString::to_string));
        if at.abbreviation().is_some() {
            prefixes.extend(["refs/heads/", "refs/tags/"].map(str::to_owned));
        }
    }
    let refs = list(connection, prefixes).await?;
    choose(&refs, at)
}

fn choose(refs: &[(String, CommitId)], at: Option<&Revision>) -> Result<FoundRevision, ClientError> {
    let head = commit_of(refs, HEAD);
    let Some(at) = at else { return head.map(FoundRevision::Commit).ok_or(ClientError::NoDefaultBranch) };
    if let Some(commit) = at.ref_names().iter().find_map(|name| commit_of(refs, name.as_str())).or_else(|| at.commit()) {
        return Ok(FoundRevision::Commit(commit));
    }
    let missing = || ClientError::NoRevision(at.clone());
    let digits = at.abbreviation().ok_or_else(missing)?;
    match refs.iter().find(|(_, commit)| commit.as_str().starts_with(&digits)) {
        Some((_, commit)) => Ok(FoundRevision::Commit(commit.clone())),
        None => Ok(FoundRevision::Behind { head: head.ok_or_else(missing)?, digits }),
    }
}

fn commit_of(refs: &[(String, CommitId)], name: &str) -> Option<CommitId> {
    refs.iter().find(|(other, _)| other == name).map(|(_, commit)| commit.clone())
}

/// The refs whose names begin so; older servers tell of all.
async fn list(connection: Connection, prefixes: Vec<String>) -> Result<Vec<(String, CommitId)>, ClientError> {
    let asking = spawn_blocking(move || {
        let budget = Budget::new();
        match connection {
            Connection::Http(carrier) => session::list_refs(Http::new(carrier, budget), &prefixes),
            Connection::Stream { input, output } => session::list_refs(connection::stream(input, output, &budget), &prefixes),
        }
    });
    match asking.await.unwrap_or_else(|panic| Err(Trouble::Failed(panic.to_string()))) {
        Ok(refs) => {
            let commit = |id: gix_hash::ObjectId| id.to_string().parse().expect("an object id in hex");
            Ok(refs.into_iter().map(|(name, id)| (name, commit(id))).collect())
        }
        Err(Trouble::ObjectFormat(format)) => Err(ClientError::ObjectFormat(format)),
        Err(Trouble::Refused(words)) => Err(ClientError::Refused(words)),
        Err(Trouble::Failed(why)) => Err(ClientError::Protocol(why)),
        Err(trouble @ (Trouble::NoRef | Trouble::Unadvertised | Trouble::Unread)) => {
            Err(ClientError::Protocol(format!("{trouble:?}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_before_an_id_and_a_tag_before_a_branch() {
        let commit = |digit: &str| digit.repeat(40).parse::<CommitId>().unwrap();
        let of = |name: &str, digit| (name.to_owned(), commit(digit));
        let refs = [
            of("HEAD", "1"),
            of("refs/heads/main", "1"),
            of("refs/heads/v1", "2"),
            of("refs/tags/v1", "3"),
            of("refs/heads/4444", "5"),
        ];
        let found =
            |at: Option<&str>| choose(&refs, at.map(|at| at.parse().unwrap()).as_ref()).map_err(|error| error.to_string());
        let is = |digit| Ok(FoundRevision::Commit(commit(digit)));
        assert_eq!(found(None), is("1"));
        assert_eq!(found(Some("v1")), is("3"));
        assert_eq!(found(Some("refs/heads/v1")), is("2"));
        assert_eq!(found(Some("4444")), is("5"));
        assert_eq!(found(Some("22222")), is("2"), "of a ref's commit");
        assert_eq!(found(Some(&"9".repeat(40))), is("9"));
        assert_eq!(found(Some("99999")), Ok(FoundRevision::Behind { head: commit("1"), digits: "99999".into() }));
        assert_eq!(found(Some("v9")), Err("the repository has no branch, tag or commit v9".into()));
        assert!(matches!(choose(&[], None), Err(ClientError::NoDefaultBranch)));
    }
}
