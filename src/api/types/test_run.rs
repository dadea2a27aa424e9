//! Test runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Account, IdRef, NamedRef, Never, Timestamp};
use crate::model::{PipelineId, TestRunId};

/// `GET /test-runs/RUN`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TestRun {
    pub actor_email: String,
    pub app_setup: Never,
    pub clear_cache: Option<bool>,
    pub commit_branch: String,
    pub commit_message: String,
    pub commit_sha: String,
    pub created_at: Timestamp,
    pub debug: bool,
    pub dyno: Never,
    pub id: TestRunId,
    pub message: Option<String>,
    pub number: u32,
    pub organization: Option<NamedRef>,
    pub pipeline: IdRef<PipelineId>,
    pub source_blob_url: String,
    /// `pending`, `creating`, `building`, `running`; `succeeded`, `failed`, `errored` or `cancelled`.
    pub status: String,
    pub updated_at: Timestamp,
    pub user: Account,
    pub warning_message: Option<String>,
}

/// `GET /test-runs/RUN/test-nodes`: always one, because hoist runs all tests in one place.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TestNode {
    pub created_at: Timestamp,
    pub dyno: Never,
    /// How far the run was when it could not go on.
    pub error_status: Option<String>,
    pub exit_code: Option<i32>,
    pub id: String,
    pub index: u32,
    pub message: Option<String>,
    /// Always HTTPS, which is all that the Heroku CLI takes here. Needs no credentials, as the other one.
    pub output_stream_url: String,
    pub pipeline: IdRef<PipelineId>,
    pub setup_stream_url: String,
    pub status: String,
    pub test_run: IdRef<TestRunId>,
    pub updated_at: Timestamp,
}

/// `GET /test-runs/RUN/test-cases`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TestCase {
    pub created_at: Timestamp,
    pub description: String,
    pub diagnostic: String,
    pub directive: String,
    pub id: String,
    pub number: u32,
    pub passed: bool,
    pub test_node: IdRef<String>,
    pub test_run: IdRef<TestRunId>,
    pub updated_at: Timestamp,
}

/// `POST /test-runs`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct NewTestRun {
    pub commit_branch: String,
    pub commit_message: String,
    pub commit_sha: String,
    /// Name or id.
    pub pipeline: String,
    pub source_blob_url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug: Option<bool>,
    /// A team, of which there are none here.
    #[serde(default, skip_serializing)]
    pub organization: Value,
}

/// `PATCH /test-runs/RUN`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct TestRunChange {
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub message: Option<String>,
}
