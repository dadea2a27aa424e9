//! Test runs, and what they are run with.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};

use super::about;
use crate::api::{pipeline_config_vars, test_runs};
use crate::ctx::Ctx;

pub(super) fn routes() -> ApiRouter<Ctx> {
    ApiRouter::new()
        .api_route(
            "/pipelines/{pipeline}/stage/{stage}/config-vars",
            get_with(pipeline_config_vars::info, about("The config vars of test runs"))
                .patch_with(pipeline_config_vars::update, about("Set and unset config vars of test runs")),
        )
        .api_route("/pipelines/{pipeline}/test-runs", get_with(test_runs::list, about("The pipeline's test runs")))
        .api_route(
            "/pipelines/{pipeline}/test-runs/{number}",
            get_with(test_runs::info_by_number, about("A test run, once its status has changed or a second has passed")),
        )
        .api_route("/test-runs", post_with(test_runs::create, about("Test an archive")))
        .api_route(
            "/test-runs/{run}",
            get_with(test_runs::info, about("A test run")).patch_with(test_runs::update, about("Cancel a test run")),
        )
        .api_route("/test-runs/{run}/test-cases", get_with(test_runs::cases, about("The tests of a test run")))
        .api_route("/test-runs/{run}/test-nodes", get_with(test_runs::nodes, about("Where a test run runs, and its output")))
}
