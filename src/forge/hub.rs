//! What GitHub tells, and Gitea and Forgejo in nearly the same words (docs.github.com, "Webhook events and payloads").

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use time::OffsetDateTime;

use super::answer::Refusal;
use super::delivery::Told;
use crate::model::{BranchName, CommitId, Delivered, FullName, NamedRepository, PullRequest, PullRequestAction, Push};

/// Reads a delivery. Of an event that is acted on, everything that is needed must be there and be well formed.
pub(super) fn parse(event: &str, json: &[u8]) -> Result<Told, Refusal> {
    match event {
        "installation" => return parse_installation(json, |action| matches!(action, "deleted" | "suspend")),
        "installation_repositories" => return parse_installation(json, |action| action == "removed"),
        _ => {}
    }
    let delivered = match event {
        "push" => from_json::<Pushed>(json)?.told(),
        "delete" => from_json::<Deleted>(json)?.told(),
        "status" => Delivered::Ci { commit: from_json::<Status>(json)?.sha },
        "check_suite" => Delivered::Ci { commit: from_json::<CheckSuite>(json)?.check_suite.head_sha },
        "check_run" => Delivered::Ci { commit: from_json::<CheckRun>(json)?.check_run.head_sha },
        // Gitea and Forgejo have a word of their own for new commits.
        "pull_request" | "pull_request_sync" => from_json::<PullRequestChanged>(json)?.told(),
        "ping" => Delivered::Ping,
        _ => Delivered::Other,
    };
    let repository = from_json::<Event>(json)?.repository;
    Ok(Told { repositories: repository.into_iter().map(Named::told).collect(), delivered })
}

/// Reads JSON; an error names the field.
pub(super) fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, Refusal> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| Refusal::Malformed(error.to_string()))
}

/// No commit is called so: it stands for none, before a branch was made and after it was deleted.
pub(super) fn commit_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<CommitId>, D::Error> {
    let commit = CommitId::deserialize(deserializer)?;
    Ok(Some(commit).filter(|commit| commit.as_str().bytes().any(|digit| digit != b'0')))
}

/// What a push to a ref says: nothing that hoist acts on, if the ref is no branch.
pub(super) fn push_told(name: &str, before: Option<CommitId>, after: Option<CommitId>, pushed_at: Option<i64>) -> Delivered {
    // A branch whose name hoist does not take is none that is deployed.
    let Some(branch) = name.strip_prefix("refs/heads/").and_then(|name| name.parse().ok()) else { return Delivered::Other };
    match after {
        Some(after) => Delivered::Push(Push { branch, before, after, pushed_at }),
        None => Delivered::Deletion { branch },
    }
}

/// What every event of a repository has.
#[derive(Deserialize)]
struct Event {
    repository: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    full_name: FullName,
    id: Option<i64>,
}

impl Named {
    fn told(self) -> NamedRepository {
        NamedRepository { full_name: self.full_name, id: self.id }
    }
}

#[derive(Deserialize)]
struct Pushed {
    #[serde(rename = "ref")]
    name: String,
    #[serde(deserialize_with = "commit_or_none")]
    before: Option<CommitId>,
    #[serde(deserialize_with = "commit_or_none")]
    after: Option<CommitId>,
    repository: PushedTo,
}

#[derive(Deserialize)]
struct PushedTo {
    /// GitHub's alone, and a number in this event alone.
    pushed_at: Option<serde_json::Value>,
}

impl Pushed {
    fn told(self) -> Delivered {
        let pushed_at = self.repository.pushed_at.and_then(|at| at.as_i64());
        push_told(&self.name, self.before, self.after, pushed_at)
    }
}

#[derive(Deserialize)]
struct Deleted {
    #[serde(rename = "ref")]
    name: String,
    ref_type: String,
}

impl Deleted {
    fn told(self) -> Delivered {
        match self.name.parse() {
            Ok(branch) if self.ref_type == "branch" => Delivered::Deletion { branch },
            _ => Delivered::Other,
        }
    }
}

#[derive(Deserialize)]
struct Status {
    sha: CommitId,
}

#[derive(Deserialize)]
struct CheckSuite {
    check_suite: Check,
}

#[derive(Deserialize)]
struct CheckRun {
    check_run: Check,
}

#[derive(Deserialize)]
struct Check {
    head_sha: CommitId,
}

#[derive(Deserialize)]
struct PullRequestChanged {
    action: String,
    number: u64,
    pull_request: Request,
}

#[derive(Deserialize)]
struct Request {
    title: String,
    user: User,
    head: End,
    base: Base,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct End {
    #[serde(rename = "ref")]
    branch: BranchName,
    sha: CommitId,
    repo: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    id: u64,
    full_name: FullName,
}

#[derive(Deserialize)]
struct Base {
    #[serde(rename = "ref")]
    branch: BranchName,
}

impl PullRequestChanged {
    fn told(self) -> Delivered {
        let Request { title, user, head, base, updated_at } = self.pull_request;
        let action = match self.action.as_str() {
            "opened" => PullRequestAction::Opened,
            "reopened" => PullRequestAction::Reopened,
            // The second is Gitea's and Forgejo's.
            "synchronize" | "synchronized" => PullRequestAction::Updated,
            "closed" => PullRequestAction::Closed,
            _ => PullRequestAction::Other,
        };
        Delivered::PullRequest(PullRequest {
            action,
            number: self.number,
            title,
            branch: head.branch,
            commit: head.sha,
            from_id: head.repo.as_ref().map(|repository| repository.id),
            from: head.repo.map(|repository| repository.full_name),
            base: base.branch,
            author: user.login,
            updated_at: updated_at.unix_timestamp(),
        })
    }
}

/// A change of what the GitHub App may read.
#[derive(Deserialize)]
struct Installation {
    action: String,
    #[serde(default)]
    repositories: Vec<Named>,
    #[serde(default)]
    repositories_removed: Vec<Named>,
}

fn parse_installation(json: &[u8], takes_away: impl FnOnce(&str) -> bool) -> Result<Told, Refusal> {
    let Installation { action, repositories, repositories_removed } = from_json(json)?;
    let named = repositories.into_iter().chain(repositories_removed).map(Named::told);
    let delivered = if takes_away(&action) { Delivered::Uninstalled } else { Delivered::Other };
    Ok(Told { repositories: named.collect(), delivered })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const NONE: &str = "0000000000000000000000000000000000000000";

    fn told(event: &str, body: &Value) -> Result<Told, Refusal> {
        parse(event, body.to_string().as_bytes())
    }

    fn push(name: &str, before: &str, after: &str) -> Value {
        json!({ "ref": name, "before": before, "after": after, "repository": { "full_name": "a/b", "pushed_at": 7 } })
    }

    #[test]
    fn pushes_to_branches_are_told_and_tags_are_not() {
        let delivered = |body| told("push", &body).unwrap().delivered;
        let branch: BranchName = "x/y".parse().unwrap();
        let (before, after) = (Some(A.parse().unwrap()), B.parse().unwrap());
        let moved = Push { branch: branch.clone(), before, after, pushed_at: Some(7) };
        assert_eq!(delivered(push("refs/heads/x/y", A, B)), Delivered::Push(moved.clone()));
        let made = Push { before: None, ..moved };
        assert_eq!(delivered(push("refs/heads/x/y", NONE, B)), Delivered::Push(made));
        assert_eq!(delivered(push("refs/heads/x/y", A, NONE)), Delivered::Deletion { branch });
        assert_eq!(delivered(push("refs/tags/v1", A, B)), Delivered::Other);
        assert_eq!(delivered(push("refs/heads/-x", A, B)), Delivered::Other);
    }

    #[test]
    fn what_is_needed_must_be_there() {
        let why = |event: &str, body: &Value| match told(event, body) {
            Err(Refusal::Malformed(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(why("push", &json!({ "ref": "refs/heads/x" })).contains("missing field `before`"));
        assert!(why("push", &push("refs/heads/x", "abc", B)).contains("`abc` is not a full object id"));
        let mut body = push("refs/heads/x", A, B);
        body["repository"]["full_name"] = json!("../../etc");
        assert!(why("push", &body).starts_with("repository.full_name: `../../etc` is not a repository"));
        assert!(matches!(parse("push", b"[1,"), Err(Refusal::Malformed(_))));
        assert!(matches!(parse("push", "[".repeat(100_000).as_bytes()), Err(Refusal::Malformed(_))));
        assert_eq!(told("star", &json!({})).unwrap(), Told { repositories: vec![], delivered: Delivered::Other });
    }

    #[test]
    fn checks_name_their_commit() {
        for (event, body) in [
            ("status", json!({ "sha": A })),
            ("check_suite", json!({ "check_suite": { "head_sha": A } })),
            ("check_run", json!({ "check_run": { "head_sha": A } })),
        ] {
            assert_eq!(told(event, &body).unwrap().delivered, Delivered::Ci { commit: A.parse().unwrap() }, "{event}");
        }
    }
}
