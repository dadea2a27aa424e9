//! The API that Gitea and Forgejo have in common: <https://docs.gitea.com/api/>, <https://codeberg.org/api/swagger>.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::TellError;
use super::api::Api;
use super::build::{News, State};
use super::ci::{self, Check};
use crate::model::{CiState, CommitId, FullName, Secret};

/// An installation's own limit may be lower than what is asked for: only an empty page is known to be the last.
const ANY: usize = 1;

/// `GET /repos/{repository}/commits/{commit}/status`: the last status of each context.
#[derive(Debug, Deserialize)]
struct Combined {
    /// Null when there is none.
    statuses: Option<Vec<Status>>,
}

#[derive(Debug, Deserialize)]
struct Status {
    context: String,
    status: String,
}

/// With a token.
pub(super) fn authorization(token: &Secret) -> Secret {
    Secret::new(format!("token {}", token.expose()))
}

/// What its statuses say of a commit.
pub(super) async fn ci_state(api: &Api<'_>, repository: &FullName, commit: &CommitId) -> Result<CiState, TellError> {
    let path = format!("/repos/{repository}/commits/{commit}/status?limit=50");
    let statuses = api.pages(&path, ANY, |page: Combined| page.statuses.unwrap_or_default()).await?;
    Ok(ci::together(statuses.iter().map(|status| (status.context.as_str(), of_status(&status.status)))))
}

fn of_status(status: &str) -> Check {
    match status {
        "success" | "warning" | "skipped" => Check::Passed,
        "pending" => Check::Pending,
        _ => Check::Failed,
    }
}

/// Sets the status of a commit. Told twice, it says the same.
pub(super) async fn set_status(api: &Api<'_>, repository: &FullName, news: &News) -> Result<(), TellError> {
    let state = match news.state() {
        State::Pending => "pending",
        State::Success => "success",
        State::Failure => "failure",
        State::Error => "error",
    };
    let status =
        json!({ "state": state, "context": news.context, "target_url": news.build_url, "description": news.description });
    api.post::<IgnoredAny>(&format!("/repos/{repository}/statuses/{}", news.commit), &status).await.map(drop)
}
