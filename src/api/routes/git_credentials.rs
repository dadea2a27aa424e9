//! What other git servers are shown for an app's submodules.

use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with};

use super::about;
use crate::api::git_credentials;
use crate::ctx::Ctx;

pub(super) fn routes() -> ApiRouter<Ctx> {
    ApiRouter::new()
        .api_route(
            "/apps/{app}/git-credentials",
            get_with(git_credentials::list, about("What other git servers are shown for the app's submodules"))
                .post_with(git_credentials::create, about("Give a token or a key for the app's submodules")),
        )
        .api_route(
            "/apps/{app}/git-credentials/{credential}",
            delete_with(git_credentials::destroy, about("Take away what a git server is shown for the app's submodules")),
        )
}
