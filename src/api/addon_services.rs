//! What kinds of add-ons this installation offers: those whose servers it knows.

use axum::Json;
use axum::extract::State;
use time::OffsetDateTime;

use super::error::ApiError;
use super::extract::{Caller, Named, Names};
use super::types::{self, AddonService, NamedRef, Price, Timestamp};
use crate::ctx::Ctx;
use crate::model::{Plan, Service};

/// `GET /addon-services`
pub(super) async fn list(State(ctx): State<Ctx>, _: Caller) -> Json<Vec<AddonService>> {
    let offered = Service::ALL.into_iter().filter(|service| ctx.addons.offers(*service));
    Json(offered.map(describe).collect())
}

/// `GET /addon-services/{service}`, by name or id.
pub(super) async fn info(State(ctx): State<Ctx>, _: Caller, Named(service): Named) -> Result<Json<AddonService>, ApiError> {
    Ok(Json(describe(find(&ctx, &service)?)))
}

/// `GET /addon-services/{service}/plans`
pub(super) async fn plans(State(ctx): State<Ctx>, _: Caller, Named(service): Named) -> Result<Json<Vec<types::Plan>>, ApiError> {
    Ok(Json(vec![describe_plan(Plan(find(&ctx, &service)?))]))
}

/// `GET /addon-services/{service}/plans/{plan}`, by name or id.
pub(super) async fn plan(
    State(ctx): State<Ctx>,
    _: Caller,
    Names([service, plan]): Names<2>,
) -> Result<Json<types::Plan>, ApiError> {
    let found = Plan(find(&ctx, &service)?);
    let is_it = plan == plan_ref(found).id || plan.parse() == Ok(found) || format!("{service}:{plan}").parse() == Ok(found);
    if is_it { Ok(Json(describe_plan(found))) } else { Err(ApiError::NotFound("plan")) }
}

fn find(ctx: &Ctx, name_or_id: &str) -> Result<Service, ApiError> {
    let by_id = || Service::ALL.into_iter().find(|service| service_ref(*service).id == name_or_id);
    let found = name_or_id.parse().ok().or_else(by_id);
    found.filter(|service| ctx.addons.offers(*service)).ok_or(ApiError::NotFound("add-on service"))
}

pub(super) fn service_ref(service: Service) -> NamedRef {
    NamedRef::named("add-on service", service.as_str())
}

pub(super) fn plan_ref(plan: Plan) -> NamedRef {
    NamedRef::named("plan", plan.as_str())
}

pub(super) fn free() -> Price {
    Price { cents: 0, contract: false, unit: "month".into() }
}

pub(super) fn describe(service: Service) -> AddonService {
    let NamedRef { id, name } = service_ref(service);
    AddonService {
        cli_plugin_name: None,
        created_at: always(),
        human_name: service.human_name().into(),
        id,
        name,
        state: "ga".into(),
        supported_generations: vec![NamedRef::named("generation", "cedar")],
        supports_multiple_installations: true,
        supports_sharing: true,
        updated_at: always(),
    }
}

pub(super) fn describe_plan(plan: Plan) -> types::Plan {
    let NamedRef { id, name } = plan_ref(plan);
    let human_name = match plan.0 {
        Service::Postgresql => "Essential 0",
        Service::Redis => "Mini",
    };
    types::Plan {
        addon_service: service_ref(plan.0),
        compliance: None,
        created_at: always(),
        default: true,
        description: format!("{} {human_name}", plan.0.human_name()),
        human_name: human_name.into(),
        id,
        installable_inside_private_network: false,
        installable_outside_private_network: true,
        name,
        price: free(),
        space_default: false,
        state: "public".into(),
        updated_at: always(),
        visible: true,
    }
}

/// Services and plans are a part of hoist: they were never made.
fn always() -> Timestamp {
    Timestamp(OffsetDateTime::UNIX_EPOCH)
}
