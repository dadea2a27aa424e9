//! The ledger: releases, slugs, config vars.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};

use super::about;
use crate::api::{config_vars, ledger, oci_images, releases, slugs};
use crate::ctx::Ctx;

pub(super) fn routes() -> ApiRouter<Ctx> {
    ApiRouter::new()
        .api_route(
            "/apps/{app}/config-vars",
            get_with(config_vars::info, about("The app's config vars"))
                .patch_with(config_vars::update, about("Set and unset config vars, in a release of their own")),
        )
        .api_route(
            "/apps/{app}/releases",
            get_with(releases::list, about("The app's releases"))
                .post_with(releases::create, about("Release a slug or an image, or go back to an earlier release")),
        )
        .api_route("/apps/{app}/releases/{release}", get_with(releases::info, about("A release, by version or id")))
        .api_route(
            "/apps/{app}/releases/{release}/config-vars",
            get_with(releases::config_vars, about("The config vars of a release")),
        )
        .api_route(
            "/apps/{app}/releases/{release}/block",
            get_with(ledger::block_info, about("Why nobody may go back to a release"))
                .put_with(ledger::block, about("Mark a release as never to go back to"))
                .post_with(ledger::block, about("Mark a release as never to go back to")),
        )
        .api_route(
            "/apps/{app}/releases/{release}/diff/{other}",
            get_with(ledger::diff, about("What changed from one release to another")),
        )
        .api_route(
            "/apps/{app}/releases/verification",
            get_with(ledger::verify, about("Whether every release is as it was appended")),
        )
        .api_route("/apps/{app}/oci-images", post_with(oci_images::create, about("Make an image that can be released")))
        .api_route("/apps/{app}/oci-images/{image}", get_with(oci_images::info, about("The images of a release")))
        .api_route("/apps/{app}/slugs", post_with(slugs::create, about("Announce a slug")))
        .api_route("/apps/{app}/slugs/{slug}", get_with(slugs::info, about("A slug")))
        .api_route(
            "/apps/{app}/slugs/{slug}/provenance",
            get_with(slugs::provenance, about("Where a slug comes from, as a signed in-toto statement")),
        )
        .api_route("/apps/{app}/slugs/{slug}/sbom", get_with(slugs::sbom, about("What is in a slug, as CycloneDX")))
}
