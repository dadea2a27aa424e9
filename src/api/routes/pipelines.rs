//! Pipelines, the apps in them, and promotions.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};

use super::about;
use crate::api::{filters, pipeline_couplings, pipeline_promotions, pipeline_transfers, pipelines};
use crate::ctx::Ctx;

pub(super) fn routes() -> ApiRouter<Ctx> {
    ApiRouter::new()
        .api_route(
            "/apps/{app}/pipeline-couplings",
            get_with(pipeline_couplings::of_app, about("The app's place in its pipeline")),
        )
        .api_route("/filters/apps", post_with(filters::apps, about("Several apps, by their ids")))
        .api_route(
            "/pipeline-couplings",
            get_with(pipeline_couplings::list, about("The places of your apps in pipelines"))
                .post_with(pipeline_couplings::create, about("Put an app into a pipeline")),
        )
        .api_route(
            "/pipeline-couplings/{coupling}",
            get_with(pipeline_couplings::info, about("An app's place in a pipeline"))
                .patch_with(pipeline_couplings::update, about("Move an app to another stage"))
                .delete_with(pipeline_couplings::destroy, about("Take an app out of its pipeline")),
        )
        .api_route(
            "/pipeline-promotions",
            post_with(pipeline_promotions::create, about("Release an app's code in the apps of the next stage")),
        )
        .api_route("/pipeline-promotions/{promotion}", get_with(pipeline_promotions::info, about("A promotion")))
        .api_route(
            "/pipeline-promotions/{promotion}/promotion-targets",
            get_with(pipeline_promotions::targets, about("What became of a promotion in each app")),
        )
        .api_route("/pipeline-transfers", post_with(pipeline_transfers::create, about("Give a pipeline to another owner")))
        .api_route(
            "/pipelines",
            get_with(pipelines::list, about("Your pipelines")).post_with(pipelines::create, about("Create a pipeline")),
        )
        .api_route(
            "/pipelines/{pipeline}",
            get_with(pipelines::info, about("A pipeline"))
                .patch_with(pipelines::update, about("Rename a pipeline"))
                .delete_with(pipelines::destroy, about("Destroy a pipeline")),
        )
        .api_route(
            "/pipelines/{pipeline}/latest-builds",
            get_with(pipelines::latest_builds, about("The newest build of each app in the pipeline")),
        )
        .api_route(
            "/pipelines/{pipeline}/latest-deployments",
            get_with(pipelines::latest_releases, about("The newest release of each app in the pipeline")),
        )
        .api_route(
            "/pipelines/{pipeline}/latest-releases",
            get_with(pipelines::latest_releases, about("The newest release of each app in the pipeline")),
        )
        .api_route(
            "/pipelines/{pipeline}/pipeline-couplings",
            get_with(pipeline_couplings::list_of_pipeline, about("The apps in a pipeline")),
        )
}
