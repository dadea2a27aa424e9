//! Review apps, and the repositories that they come from.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};

use super::about;
use crate::api::{pipeline_repo, review_app_config, review_apps};
use crate::ctx::Ctx;

pub(super) fn routes() -> ApiRouter<Ctx> {
    ApiRouter::new()
        .api_route(
            "/account/features/dashboard-repositories-api",
            get_with(pipeline_repo::feature, about("Whether pipelines' repositories are known here: they are")),
        )
        .api_route("/apps/{app}/review-app", get_with(review_apps::of_app, about("The review app that the app is")))
        .api_route(
            "/pipelines/{pipeline}/repo",
            get_with(pipeline_repo::info, about("The repository that the pipeline is connected to"))
                .post_with(pipeline_repo::create, about("Connect the pipeline to a repository"))
                .delete_with(pipeline_repo::destroy, about("Disconnect the pipeline from its repository; its review apps stay")),
        )
        .api_route(
            "/pipelines/{pipeline}/repo/branches/{branch}",
            get_with(pipeline_repo::branch, about("Where a branch of the pipeline's repository stands")),
        )
        .api_route(
            "/pipelines/{pipeline}/review-app-config",
            get_with(review_app_config::info, about("What the pipeline's review apps are like"))
                .post_with(review_app_config::create, about("Enable review apps for the pipeline"))
                .patch_with(review_app_config::update, about("Change what the pipeline's review apps are like"))
                .delete_with(review_app_config::destroy, about("Disable review apps for the pipeline; those there are stay")),
        )
        .api_route("/pipelines/{pipeline}/review-apps", get_with(review_apps::list, about("The pipeline's review apps")))
        .api_route("/review-apps", post_with(review_apps::create, about("Make a review app of a branch or an archive")))
        .api_route(
            "/review-apps/{review_app}",
            get_with(review_apps::info, about("A review app, and how far it is"))
                .delete_with(review_apps::destroy, about("Delete a review app, with its app")),
        )
}
