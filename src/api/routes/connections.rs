//! Apps' connections to repositories on GitHub and its kin. The paths are Heroku's dashboard's, which knows GitHub alone.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};

use super::about;
use crate::api::connections;
use crate::ctx::Ctx;

pub(super) fn routes() -> ApiRouter<Ctx> {
    ApiRouter::new()
        .api_route(
            "/apps/{app}/github",
            get_with(connections::info, about("The repository that the app is connected to"))
                .post_with(connections::create, about("Connect the app to a repository on GitHub, GitLab, Gitea or Forgejo"))
                .patch_with(connections::update, about("Change how the app is connected to its repository"))
                .delete_with(connections::destroy, about("Disconnect the app from its repository")),
        )
        .api_route(
            "/apps/{app}/github/webhook-secret",
            post_with(connections::new_secret, about("Make another secret for the repository's webhook")),
        )
        .api_route("/apps/{app}/github/push", post_with(connections::push, about("Deploy a branch of the app's repository")))
        .api_route(
            "/apps/{app}/github/deploys",
            get_with(connections::deploys, about("The newest deploys from the app's repository")),
        )
        .api_route(
            "/apps/{app}/github/deploys/{deploy}",
            get_with(connections::deploy_info, about("A deploy from the app's repository")),
        )
}
