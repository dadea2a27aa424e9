//! What GitLab tells (docs.gitlab.com, "Webhook events").

use serde::Deserialize;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::answer::Refusal;
use super::delivery::Told;
use super::hub::{commit_or_none, from_json, push_told};
use crate::model::{BranchName, CommitId, Delivered, FullName, NamedRepository, PullRequest, PullRequestAction};

/// How GitLab wrote times in merge requests before it kept to RFC 3339. It is always UTC.
const OLD_TIME: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");

/// Reads a delivery. Of an event that is acted on, everything that is needed must be there and be well formed.
pub(super) fn parse(event: &str, json: &[u8]) -> Result<Told, Refusal> {
    let delivered = match event {
        "Push Hook" => from_json::<Pushed>(json)?.told(),
        "Merge Request Hook" => from_json::<MergeRequestChanged>(json)?.told()?,
        "Pipeline Hook" => Delivered::Ci { commit: from_json::<Pipeline>(json)?.object_attributes.sha },
        _ => Delivered::Other,
    };
    let project = from_json::<Event>(json)?.project;
    let named = project.map(|project| NamedRepository { full_name: project.path_with_namespace, id: project.id });
    Ok(Told { repositories: named.into_iter().collect(), delivered })
}

/// What every event of a project has.
#[derive(Deserialize)]
struct Event {
    project: Option<Project>,
}

#[derive(Deserialize)]
struct Project {
    path_with_namespace: FullName,
    id: Option<i64>,
}

#[derive(Deserialize)]
struct Pushed {
    #[serde(rename = "ref")]
    name: String,
    #[serde(deserialize_with = "commit_or_none")]
    before: Option<CommitId>,
    #[serde(deserialize_with = "commit_or_none")]
    after: Option<CommitId>,
}

impl Pushed {
    fn told(self) -> Delivered {
        push_told(&self.name, self.before, self.after, None)
    }
}

#[derive(Deserialize)]
struct Pipeline {
    object_attributes: PipelineOf,
}

#[derive(Deserialize)]
struct PipelineOf {
    sha: CommitId,
}

#[derive(Deserialize)]
struct MergeRequestChanged {
    user: User,
    object_attributes: MergeRequest,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
struct MergeRequest {
    iid: u64,
    title: String,
    /// There is none when somebody tries the webhook.
    action: Option<String>,
    /// There when the update has brought new commits.
    oldrev: Option<CommitId>,
    source_branch: BranchName,
    target_branch: BranchName,
    last_commit: Commit,
    source: Option<Project>,
    source_project_id: Option<u64>,
    updated_at: String,
}

#[derive(Deserialize)]
struct Commit {
    id: CommitId,
}

impl MergeRequestChanged {
    fn told(self) -> Result<Delivered, Refusal> {
        let request = self.object_attributes;
        let action = match (request.action.as_deref(), &request.oldrev) {
            (Some("open"), _) => PullRequestAction::Opened,
            (Some("reopen"), _) => PullRequestAction::Reopened,
            (Some("update"), Some(_)) => PullRequestAction::Updated,
            (Some("close" | "merge"), _) => PullRequestAction::Closed,
            _ => PullRequestAction::Other,
        };
        Ok(Delivered::PullRequest(PullRequest {
            action,
            number: request.iid,
            title: request.title,
            branch: request.source_branch,
            commit: request.last_commit.id,
            from: request.source.map(|project| project.path_with_namespace),
            from_id: request.source_project_id,
            base: request.target_branch,
            author: self.user.username,
            updated_at: seconds(&request.updated_at)?,
        }))
    }
}

fn seconds(text: &str) -> Result<i64, Refusal> {
    let rfc = OffsetDateTime::parse(text, &Rfc3339).map(OffsetDateTime::unix_timestamp);
    let old = || PrimitiveDateTime::parse(text, OLD_TIME).map(|time| time.assume_utc().unix_timestamp());
    let refuse = |_| Refusal::Malformed(format!("object_attributes.updated_at: `{}` is not a time", text.escape_debug()));
    rfc.or_else(|_| old()).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn told(event: &str, body: &Value) -> Told {
        parse(event, body.to_string().as_bytes()).unwrap()
    }

    fn merge_request(action: &str, more: &Value) -> Value {
        let mut attributes = json!({
            "iid": 1, "title": "MS-Viewport", "action": action, "source_branch": "ms-viewport", "target_branch": "master",
            "last_commit": { "id": A }, "source": { "path_with_namespace": "awesome_space/awesome_project" },
            "source_project_id": 14, "updated_at": "2013-12-03T17:23:34Z"
        });
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let project = json!({ "path_with_namespace": "gitlabhq/gitlab-test" });
        json!({ "user": { "username": "root" }, "project": project, "object_attributes": attributes })
    }

    #[test]
    fn merge_requests_are_pull_requests() {
        let of = |action: &str, more: &Value| match told("Merge Request Hook", &merge_request(action, more)).delivered {
            Delivered::PullRequest(request) => request,
            other => panic!("{other:?}"),
        };
        let opened = of("open", &json!({}));
        assert_eq!((opened.action, opened.number, opened.updated_at), (PullRequestAction::Opened, 1, 1_386_091_414));
        assert_eq!(of("open", &json!({ "updated_at": "2013-12-03 17:23:34 UTC" })), opened);
        assert_eq!(of("update", &json!({ "oldrev": A })).action, PullRequestAction::Updated);
        assert_eq!(of("update", &json!({})).action, PullRequestAction::Other, "a label was changed");
        assert_eq!(of("merge", &json!({})).action, PullRequestAction::Closed);
    }

    #[test]
    fn groups_nest() {
        let body =
            json!({ "ref": "refs/heads/main", "before": A, "after": A, "project": { "path_with_namespace": "a/b/c", "id": 15 } });
        let told = told("Push Hook", &body);
        assert_eq!(told.repositories, [NamedRepository { full_name: "a/b/c".parse().unwrap(), id: Some(15) }]);
        assert!(matches!(told.delivered, Delivered::Push(_)));
    }
}
