//! GitHub's REST API: <https://docs.github.com/en/rest>.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::TellError;
use super::api::{Api, PAGE, segment};
use super::build::{News, State};
use super::ci::{self, Check};
use crate::model::{CiState, CommitId, FullName, Progress};

/// What every request says; the second is which edition of the API hoist was written for.
pub(super) const HEADERS: &[(&str, &str)] = &[("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28")];

/// `GET /repos/{repository}/commits/{commit}/status`: the last status of each context.
#[derive(Debug, Deserialize)]
struct Combined {
    statuses: Vec<Status>,
}

#[derive(Debug, Deserialize)]
struct Status {
    context: String,
    state: String,
}

/// `GET /repos/{repository}/commits/{commit}/check-runs`: the last run of each check.
#[derive(Debug, Deserialize)]
struct CheckRuns {
    check_runs: Vec<CheckRun>,
}

#[derive(Debug, Deserialize)]
struct CheckRun {
    name: String,
    conclusion: Option<String>,
}

/// `GET /repos/{repository}/commits/{commit}/check-suites`.
#[derive(Debug, Deserialize)]
struct CheckSuites {
    check_suites: Vec<CheckSuite>,
}

#[derive(Debug, Deserialize)]
struct CheckSuite {
    conclusion: Option<String>,
    #[serde(default)]
    latest_check_runs_count: u64,
}

impl CheckSuite {
    /// Jobs that need others have no runs before those have ended: a suite may have passed all of its runs, and not be at its end.
    /// One without any says nothing: GitHub makes a suite for each App that could check something, whether it does or not.
    fn is_unfinished(&self) -> bool {
        self.conclusion.is_none() && self.latest_check_runs_count > 0
    }
}

/// `GET /repos/{repository}/deployments`.
#[derive(Debug, Deserialize)]
struct Deployment {
    id: u64,
    /// What was given when it was made, as it was given or as text.
    #[serde(default)]
    payload: Value,
}

#[derive(Debug, Serialize)]
struct NewStatus<'a> {
    state: &'static str,
    target_url: &'a str,
    description: &'a str,
    context: &'a str,
}

/// Fails where the code can't be read with the API's token: that takes "contents", and shows nothing but a branch's name. It is
/// an empty list in a repository without code.
pub(super) async fn check_readable(api: &Api<'_>, repository: &FullName) -> Result<(), TellError> {
    api.get::<IgnoredAny>(&format!("/repos/{repository}/branches?per_page=1")).await.map(drop)
}

/// What its statuses and check runs say of a commit.
pub(super) async fn ci_state(api: &Api<'_>, repository: &FullName, commit: &CommitId) -> Result<CiState, TellError> {
    let path = format!("/repos/{repository}/commits/{commit}");
    let statuses = api.pages(&format!("{path}/status?per_page={PAGE}"), PAGE, |page: Combined| page.statuses).await?;
    let runs = api.pages(&format!("{path}/check-runs?per_page={PAGE}"), PAGE, |page: CheckRuns| page.check_runs).await?;
    let suites = api.pages(&format!("{path}/check-suites?per_page={PAGE}"), PAGE, |page: CheckSuites| page.check_suites).await?;
    let statuses = statuses.iter().map(|status| (status.context.as_str(), of_status(&status.state)));
    let runs = runs.iter().map(|run| (run.name.as_str(), of_run(run.conclusion.as_deref())));
    let suites = suites.iter().filter(|suite| suite.is_unfinished()).map(|_| ("check suite", Check::Pending));
    Ok(ci::together(statuses.chain(runs).chain(suites)))
}

fn of_status(state: &str) -> Check {
    match state {
        "success" => Check::Passed,
        "pending" => Check::Pending,
        _ => Check::Failed,
    }
}

/// A run has a conclusion once it has ended.
fn of_run(conclusion: Option<&str>) -> Check {
    match conclusion {
        None => Check::Pending,
        Some("success" | "neutral" | "skipped") => Check::Passed,
        Some(_) => Check::Failed,
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
    let status = NewStatus { state, target_url: &news.build_url, description: &news.description, context: &news.context };
    api.post::<IgnoredAny>(&format!("/repos/{repository}/statuses/{}", news.commit), &status).await.map(drop)
}

/// Tells how the deployment of a build stands, which it makes if there is none.
pub(super) async fn set_deployment(api: &Api<'_>, repository: &FullName, news: &News) -> Result<(), TellError> {
    let id = match find_deployment(api, repository, news).await? {
        Some(id) => id,
        // Nobody was told that it was there.
        None if news.progress == Progress::Destroyed => return Ok(()),
        None => make_deployment(api, repository, news).await?,
    };
    let state = match (news.progress, news.state()) {
        (Progress::Destroyed, _) => "inactive",
        (_, State::Pending) => "in_progress",
        (_, State::Success) => "success",
        (_, State::Failure) => "failure",
        (_, State::Error) => "error",
    };
    let mut status = json!({ "state": state, "log_url": news.build_url, "description": news.description });
    if let Some(url) = news.app_url.as_ref().filter(|_| state == "success") {
        status["environment_url"] = json!(url);
    }
    api.post::<IgnoredAny>(&format!("/repos/{repository}/deployments/{id}/statuses"), &status).await.map(drop)
}

async fn find_deployment(api: &Api<'_>, repository: &FullName, news: &News) -> Result<Option<u64>, TellError> {
    let (commit, environment) = (&news.commit, segment(&news.app));
    let path = format!("/repos/{repository}/deployments?sha={commit}&environment={environment}&per_page={PAGE}");
    let deployments = api.pages(&path, PAGE, |page: Vec<Deployment>| page).await?;
    let build = news.build.to_string();
    Ok(deployments.into_iter().find(|deployment| deployment.payload.to_string().contains(&build)).map(|found| found.id))
}

async fn make_deployment(api: &Api<'_>, repository: &FullName, news: &News) -> Result<u64, TellError> {
    let is_review_app = news.pull_request.is_some();
    let deployment = json!({
        "ref": news.commit,
        "environment": news.app,
        "payload": { "hoist_build": news.build },
        // It is deployed already: whoever wants to wait for the commit's statuses says so to hoist.
        "auto_merge": false,
        "required_contexts": [],
        "transient_environment": is_review_app,
        "production_environment": !is_review_app,
    });
    let made: Deployment = api.post(&format!("/repos/{repository}/deployments"), &deployment).await?;
    Ok(made.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_github() {
        assert_eq!(
            ["success", "pending", "failure", "error"].map(of_status),
            [Check::Passed, Check::Pending, Check::Failed, Check::Failed]
        );
        for (conclusion, check) in [
            (None, Check::Pending),
            (Some("success"), Check::Passed),
            (Some("neutral"), Check::Passed),
            (Some("skipped"), Check::Passed),
            (Some("cancelled"), Check::Failed),
            (Some("timed_out"), Check::Failed),
            (Some("action_required"), Check::Failed),
            (Some("stale"), Check::Failed),
        ] {
            assert_eq!(of_run(conclusion), check, "{conclusion:?}");
        }
    }
}
