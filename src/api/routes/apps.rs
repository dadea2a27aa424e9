//! Apps, who works on them, and what they can use.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;

use super::about;
use crate::api::{apps, audit_events, collaborators, regions, stacks};
use crate::ctx::Ctx;

pub(super) fn routes() -> ApiRouter<Ctx> {
    ApiRouter::new()
        .api_route(
            "/apps",
            get_with(apps::list, about("The apps that you own or collaborate on"))
                .post_with(apps::create, about("Create an app")),
        )
        .api_route(
            "/apps/{app}",
            get_with(apps::info, about("An app"))
                .patch_with(apps::update, about("Rename an app"))
                .delete_with(apps::destroy, about("Destroy an app")),
        )
        .api_route("/apps/{app}/available-stacks", get_with(stacks::list_of_app, about("The stacks that the app can use")))
        .api_route(
            "/apps/{app}/collaborators",
            get_with(collaborators::list, about("Who may work on the app"))
                .post_with(collaborators::create, about("Let somebody work on the app")),
        )
        .api_route(
            "/apps/{app}/collaborators/{user}",
            get_with(collaborators::info, about("A collaborator"))
                .patch_with(collaborators::update, about("Change what a collaborator may do"))
                .delete_with(collaborators::destroy, about("Take the app from a collaborator")),
        )
        .api_route(
            "/teams/apps/{app}/collaborators",
            get_with(collaborators::list, about("Who may work on the app"))
                .post_with(collaborators::create, about("Let somebody work on the app")),
        )
        .api_route(
            "/teams/apps/{app}/collaborators/{user}",
            get_with(collaborators::info, about("A collaborator"))
                .patch_with(collaborators::update, about("Change what a collaborator may do"))
                .delete_with(collaborators::destroy, about("Take the app from a collaborator")),
        )
        .api_route("/stacks", get_with(stacks::list, about("The stacks")))
        .api_route("/stacks/{stack}", get_with(stacks::info, about("A stack")))
        .api_route("/regions", get_with(regions::list, about("The regions: one, which is this installation")))
        .api_route("/regions/{region}", get_with(regions::info, about("A region")))
        .api_route("/apps/{app}/audit-events", get_with(audit_events::of_app, about("Who did what in the app, from where")))
}
