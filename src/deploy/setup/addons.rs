//! The add-ons that an app.json asks for.

use super::SetupFailure;
use crate::addons::ProviderError;
use crate::ctx::Ctx;
use crate::deploy::addons::{AddonFailure, NewAddon, create_addon};
use crate::deploy::failure::Failure;
use crate::model::{Account, AddonRef, App, AttachmentName, Invalid, Plan};
use crate::release::Taken;

/// An add-on that this installation can make.
#[derive(Debug)]
pub(super) struct Wanted {
    plan: Plan,
    attachment: Option<AttachmentName>,
}

/// Checks all that is asked for, before anything is made. A provider's own options have no meaning here, as in the API.
pub(super) fn check(ctx: &Ctx, asked: &[AddonRef]) -> Result<Vec<Wanted>, SetupFailure> {
    let mut errors = Vec::new();
    let wanted = asked.iter().filter_map(|addon| read(ctx, addon).map_err(|Invalid(why)| errors.push(why)).ok()).collect();
    if errors.is_empty() { Ok(wanted) } else { Err(SetupFailure::manifest(errors)) }
}

fn read(ctx: &Ctx, asked: &AddonRef) -> Result<Wanted, Invalid> {
    let plan: Plan = asked.plan.parse()?;
    if !ctx.addons.offers(plan.0) {
        return Err(Invalid(ProviderError::NotOffered(plan.0).to_string()));
    }
    Ok(Wanted { plan, attachment: asked.alias.as_deref().map(str::parse).transpose()? })
}

/// Makes the add-ons, one after the other. What was made before one fails stays with the app.
pub(super) async fn provision(ctx: &Ctx, app: &App, by: &Account, wanted: Vec<Wanted>) -> Result<(), SetupFailure> {
    for Wanted { plan, attachment } in wanted {
        let new = NewAddon { app: app.clone(), by: by.id, plan, name: None, attachment, taken: Taken::Refuse };
        create_addon(ctx, new).await.map_err(|failure| failed(plan, failure))?;
    }
    Ok(())
}

fn failed(plan: Plan, failure: AddonFailure) -> SetupFailure {
    let failed = |why: String| SetupFailure::new(format!("add-on {} could not be provisioned: {why}", plan.as_str()));
    match failure {
        AddonFailure::Refused(error) => failed(error.to_string()),
        // Logged where the server was asked.
        AddonFailure::Provider(error) => {
            failed(format!("{error} (not your fault: tell whoever runs this installation, or try again later)"))
        }
        AddonFailure::Db(error) => error.into(),
        AddonFailure::Stopped => SetupFailure::Stopped,
        AddonFailure::Lost(error) => Failure::Lost(error.to_string()).into(),
    }
}
