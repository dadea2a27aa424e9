//! GitLab's REST API: <https://docs.gitlab.com/api/rest/>.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::TellError;
use super::api::{Api, PAGE, segment};
use super::build::{News, State};
use super::ci::{self, Check};
use crate::model::{CiState, CommitId, FullName};

/// What GitLab says of a status that has this state already.
const IS_ALREADY: &str = "Cannot transition status";

/// `GET /projects/{project}/repository/commits/{commit}/statuses`: the last one of each name.
#[derive(Debug, Deserialize)]
struct CommitStatus {
    name: String,
    status: String,
    #[serde(default)]
    allow_failure: bool,
}

/// A project's path.
pub(super) fn project(repository: &FullName) -> String {
    format!("/projects/{}", segment(repository.as_str()))
}

/// What its jobs and other statuses say of a commit.
pub(super) async fn ci_state(api: &Api<'_>, repository: &FullName, commit: &CommitId) -> Result<CiState, TellError> {
    let path = format!("{}/repository/commits/{commit}/statuses?per_page={PAGE}", project(repository));
    let statuses = api.pages(&path, PAGE, |page: Vec<CommitStatus>| page).await?;
    Ok(ci::together(statuses.iter().map(|status| (status.name.as_str(), of_status(status)))))
}

fn of_status(status: &CommitStatus) -> Check {
    match status.status.as_str() {
        "success" | "skipped" => Check::Passed,
        // A job that somebody may start holds up nobody; nor does one that may fail.
        "failed" | "canceled" | "manual" if status.allow_failure => Check::Passed,
        "failed" | "canceled" => Check::Failed,
        _ => Check::Pending,
    }
}

/// Sets the status of a commit.
pub(super) async fn set_status(api: &Api<'_>, repository: &FullName, news: &News) -> Result<(), TellError> {
    let state = match news.state() {
        State::Pending => "running",
        State::Success => "success",
        State::Failure => "failed",
        State::Error => "canceled",
    };
    let status = json!({ "state": state, "name": news.context, "target_url": news.build_url, "description": news.description });
    let path = format!("{}/statuses/{}", project(repository), news.commit);
    match api.post::<IgnoredAny>(&path, &status).await {
        Ok(_) => Ok(()),
        Err(TellError::Refused { status: 400, message, .. }) if message.contains(IS_ALREADY) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_gitlab() {
        let check =
            |status: &str, allow_failure| of_status(&CommitStatus { name: "x".into(), status: status.into(), allow_failure });
        for (status, expected) in [
            ("success", Check::Passed),
            ("skipped", Check::Passed),
            ("failed", Check::Failed),
            ("canceled", Check::Failed),
            ("manual", Check::Pending),
            ("created", Check::Pending),
            ("running", Check::Pending),
            ("waiting_for_resource", Check::Pending),
        ] {
            assert_eq!(check(status, false), expected, "{status}");
        }
        assert_eq!(
            ["failed", "manual", "running"].map(|status| check(status, true)),
            [Check::Passed, Check::Passed, Check::Pending]
        );
    }

    #[test]
    fn a_project_is_one_part_of_a_path() {
        assert_eq!(project(&"group/sub/name".parse().unwrap()), "/projects/group%2Fsub%2Fname");
    }
}
