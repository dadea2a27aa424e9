//! Add-ons, and which apps use them.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};

use super::about;
use crate::api::{addon_attachments, addon_services, addons};
use crate::ctx::Ctx;

pub(super) fn routes() -> ApiRouter<Ctx> {
    ApiRouter::new()
        .api_route("/actions/addons/resolve", post_with(addons::resolve, about("The add-ons that a text may mean")))
        .api_route(
            "/actions/addon-attachments/resolve",
            post_with(addon_attachments::resolve, about("The attachments that a text may mean")),
        )
        .api_route(
            "/addon-attachments",
            get_with(addon_attachments::list, about("Which of your apps use which add-ons"))
                .post_with(addon_attachments::create, about("Let an app use another's add-on")),
        )
        .api_route(
            "/addon-attachments/{attachment}",
            get_with(addon_attachments::info, about("An attachment"))
                .delete_with(addon_attachments::destroy, about("Take an add-on from an app")),
        )
        .api_route("/addon-services", get_with(addon_services::list, about("What add-ons there are")))
        .api_route("/addon-services/{service}", get_with(addon_services::info, about("A kind of add-on")))
        .api_route("/addon-services/{service}/plans", get_with(addon_services::plans, about("The plans of a kind of add-on")))
        .api_route("/addon-services/{service}/plans/{plan}", get_with(addon_services::plan, about("A plan")))
        .api_route("/addons", get_with(addons::list, about("The add-ons of your apps")))
        .api_route("/addons/{addon}", get_with(addons::info, about("An add-on")))
        .api_route(
            "/addons/{addon}/addon-attachments",
            get_with(addon_attachments::list_of_addon, about("The apps that use an add-on")),
        )
        .api_route("/addons/{addon}/config", get_with(addons::config, about("What apps are told of an add-on")))
        .api_route(
            "/apps/{app}/addon-attachments",
            get_with(addon_attachments::list_of_app, about("The add-ons that the app uses")),
        )
        .api_route(
            "/apps/{app}/addon-attachments/{attachment}",
            get_with(addon_attachments::info_in_app, about("An attachment, by the app's name for it")),
        )
        .api_route(
            "/apps/{app}/addons",
            get_with(addons::list_of_app, about("The app's add-ons"))
                .post_with(addons::create, about("Make an add-on for the app")),
        )
        .api_route(
            "/apps/{app}/addons/{addon}",
            get_with(addons::info_in_app, about("An add-on of the app"))
                .patch_with(addons::update, about("Rename an add-on"))
                .delete_with(addons::destroy, about("Destroy an add-on, with all its data")),
        )
        .api_route(
            "/apps/{app}/addons/{addon}/actions/rotate-credentials",
            post_with(addons::rotate, about("Give an add-on a new password")),
        )
}
