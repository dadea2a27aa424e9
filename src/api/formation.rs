//! How an app's process types are scaled, and which images they run. hoist runs none of them: it keeps the wish for whatever
//! does.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde_json::Value;
use time::OffsetDateTime;

use super::error::ApiError;
use super::extract::{Body, InApp, Named, Operate, See};
use super::range::{Page, Range};
use super::types::{Formation, FormationUpdate, FormationUpdates, NamedRef, Timestamp, stable_id};
use super::{dyno_sizes, oci_images};
use crate::ctx::Ctx;
use crate::db::formations::Scale;
use crate::db::{self, Connection, DbError};
use crate::deploy;
use crate::model::{Action, App, DynoSize, FormationFacts, ProcessType, Release};
use crate::release::{self, Cause, ImageChanges};

/// More of one process type is a mistake.
const MOST: u32 = 1000;

/// `GET /apps/{app}/formation`: the process types of the current release.
pub(super) async fn list(State(ctx): State<Ctx>, at: InApp<See>, range: Range) -> Result<Page<Formation>, ApiError> {
    let all = Processes::of(&mut *ctx.db.read().await?, &at.app).await?.describe_all(&at.app);
    range.cut(all, &[("type", |one| one.kind.clone()), ("id", |one| one.id.clone())])
}

/// `GET /apps/{app}/formation/{type}`, by type or id.
pub(super) async fn info(State(ctx): State<Ctx>, at: InApp<See>, Named(name): Named) -> Result<Json<Formation>, ApiError> {
    let processes = Processes::of(&mut *ctx.db.read().await?, &at.app).await?;
    let process_type = processes.find(&at.app, &name)?;
    Ok(Json(processes.describe(&at.app, &process_type)))
}

/// `PATCH /apps/{app}/formation`: all of the updates or none.
pub(super) async fn update_all(
    State(ctx): State<Ctx>,
    at: InApp<Operate>,
    Body(FormationUpdates { updates }): Body<FormationUpdates>,
) -> Result<Json<Vec<Formation>>, ApiError> {
    let named = updates.into_iter().map(|mut update| {
        let missing = || ApiError::InvalidParams("Each of the updates must name a `type`.".into());
        let name = update.kind.take().or(update.id.take()).ok_or_else(missing)?;
        Ok((name, update))
    });
    let named = named.collect::<Result<Vec<_>, ApiError>>()?;
    Ok(Json(apply(&ctx, &at, named).await?))
}

/// `PATCH /apps/{app}/formation/{type}`
pub(super) async fn update(
    State(ctx): State<Ctx>,
    at: InApp<Operate>,
    Named(name): Named,
    Body(update): Body<FormationUpdate>,
) -> Result<Json<Formation>, ApiError> {
    let mut updated = apply(&ctx, &at, vec![(name, update)]).await?;
    Ok(Json(updated.remove(0)))
}

/// The formation of one process type as it was then.
pub(super) async fn describe_then(
    db: &mut Connection,
    app: &App,
    facts: &FormationFacts,
    at: OffsetDateTime,
) -> Result<Formation, ApiError> {
    let release = match facts.release {
        Some(release) => db::releases::by_id(db, app.id, release).await?,
        None => None,
    };
    let scale = Scale { quantity: facts.quantity, size: facts.size.clone(), updated_at: at };
    let scales = BTreeMap::from([(facts.process_type.clone(), scale)]);
    Ok(Processes::of_release(db, release, scales).await?.describe(app, &facts.process_type))
}

/// All of the updates or none, in one transaction: the images in one release, then the scales.
async fn apply<A>(ctx: &Ctx, at: &InApp<A>, updates: Vec<(String, FormationUpdate)>) -> Result<Vec<Formation>, ApiError> {
    let app = &at.app;
    let images = image_changes(ctx, at, &updates).await?;
    let mut tx = ctx.db.write().await?;
    let mut processes = Processes::of(&mut tx, app).await?;
    let release = match images {
        images if images.is_empty() => None,
        images => {
            let cause = Cause { app: app.id, by: at.by.id, at: ctx.now() };
            release::release_images_in(&mut tx, &ctx.db, cause, images).await?
        }
    };
    if release.is_some() {
        // Also when it is not current before its release command has ended: this is what was asked for.
        processes = Processes::of_release(&mut tx, release.clone(), processes.scales).await?;
    }
    let mut changed = Vec::new();
    for (name, update) in updates {
        let process_type = if update.docker_image.is_some() { name.parse()? } else { processes.find(app, &name)? };
        if update.scales() {
            let before = processes.scale(&process_type);
            let scale = Scale { updated_at: ctx.now(), ..scaled(before, update)? };
            db::formations::set(&mut tx, app.id, &process_type, &scale, at.by.id).await?;
            processes.scales.insert(process_type.clone(), scale);
        }
        changed.push(process_type);
    }
    tx.commit().await.map_err(DbError::from)?;
    if let Some(release) = &release {
        deploy::begin_phase(ctx, release);
    }
    Ok(changed.iter().map(|process_type| processes.describe(app, process_type)).collect())
}

/// Which images the updates name, each found in the app's repositories.
async fn image_changes<A>(ctx: &Ctx, at: &InApp<A>, updates: &[(String, FormationUpdate)]) -> Result<ImageChanges, ApiError> {
    let asked = updates.iter().filter_map(|(name, update)| Some((name, update.docker_image.as_ref()?)));
    let asked: Vec<_> = asked.collect();
    let mut changes = ImageChanges::new();
    if asked.is_empty() {
        return Ok(changes);
    }
    at.may(ctx, Action::Deploy).await?;
    if !at.app.stack.is_container() {
        return Err(ApiError::InvalidParams(format!(
            "This command is for Docker apps only. Switch stacks by running hoist stack:set container --app {0}. Or, to deploy \
             {0} with {1}, run git push hoist main instead.",
            at.app.name, at.app.stack
        )));
    }
    for (name, image) in asked {
        let process_type: ProcessType = name.parse()?;
        let image = match image {
            Some(image) => Some(oci_images::find_image(ctx, &at.app, &process_type, image).await?),
            None => None,
        };
        changes.insert(process_type, image);
    }
    Ok(changes)
}

/// The scale after an update.
fn scaled(before: Scale, update: FormationUpdate) -> Result<Scale, ApiError> {
    let quantity = update.quantity.map_or(Ok(before.quantity), |wanted| quantity(before.quantity, &wanted))?;
    let size = update.size.or(update.dyno_size.and_then(|size| size.name.or(size.id)));
    let size = size.map_or(Ok(before.size), |name| dyno_sizes::canonical_name(&name))?;
    Ok(Scale { quantity, size, ..before })
}

/// A number, or a text with a number, or with a sign before it: so many more or fewer (heroku-api 2.1).
fn quantity(before: u32, wanted: &Value) -> Result<u32, ApiError> {
    let text = match wanted {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let number = |digits: &str| digits.parse::<u32>().ok().filter(|_| !digits.starts_with('+'));
    let wanted = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(more), _) => number(more).and_then(|more| before.checked_add(more)),
        (_, Some(fewer)) => number(fewer).map(|fewer| before.saturating_sub(fewer)),
        _ => number(&text),
    };
    let refuse = || ApiError::InvalidParams(format!("The quantity must be a number from 0 to {MOST}, or like +1 or -1."));
    wanted.filter(|quantity| *quantity <= MOST).ok_or_else(refuse)
}

/// What an app's formation is made of.
struct Processes {
    /// None for an app without code.
    release: Option<Release>,
    commands: BTreeMap<ProcessType, String>,
    scales: BTreeMap<ProcessType, Scale>,
}

impl Processes {
    async fn of(db: &mut Connection, app: &App) -> Result<Self, ApiError> {
        let release = db::releases::current(db, app.id).await?;
        let scales = db::formations::list(db, app.id).await?;
        Self::of_release(db, release, scales).await
    }

    async fn of_release(
        db: &mut Connection,
        release: Option<Release>,
        scales: BTreeMap<ProcessType, Scale>,
    ) -> Result<Self, ApiError> {
        let artifact = match &release {
            Some(release) => db::artifacts::of_release(db, release).await?,
            None => None,
        };
        let commands = artifact.map(|artifact| artifact.process_types()).unwrap_or_default();
        Ok(Self { release, commands, scales })
    }

    fn find(&self, app: &App, type_or_id: &str) -> Result<ProcessType, ApiError> {
        let is = |process_type: &&ProcessType| process_type.as_str() == type_or_id || id(app, process_type) == type_or_id;
        self.commands.keys().find(is).cloned().ok_or(ApiError::NotFound("process_type"))
    }

    /// As set, else one `web` and nothing else, as on a new app of Heroku's.
    fn scale(&self, process_type: &ProcessType) -> Scale {
        let at_first = || Scale {
            quantity: u32::from(process_type.is_web()),
            size: DynoSize::DEFAULT.into(),
            updated_at: self.released_at(),
        };
        self.scales.get(process_type).cloned().unwrap_or_else(at_first)
    }

    fn released_at(&self) -> OffsetDateTime {
        self.release.as_ref().map_or(OffsetDateTime::UNIX_EPOCH, |release| release.created_at)
    }

    fn describe_all(&self, app: &App) -> Vec<Formation> {
        self.commands.keys().map(|process_type| self.describe(app, process_type)).collect()
    }

    fn describe(&self, app: &App, process_type: &ProcessType) -> Formation {
        let scale = self.scale(process_type);
        Formation {
            app: NamedRef { id: app.id.to_string(), name: app.name.to_string() },
            command: self.commands.get(process_type).cloned().unwrap_or_default(),
            created_at: Timestamp(self.released_at()),
            dyno_size: NamedRef::named("dyno-size", &scale.size),
            id: id(app, process_type),
            quantity: scale.quantity,
            size: scale.size,
            kind: process_type.to_string(),
            updated_at: Timestamp(scale.updated_at),
        }
    }
}

fn id(app: &App, process_type: &ProcessType) -> String {
    stable_id(&["formation", &app.id.to_string(), process_type.as_str()])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_come_in_four_forms() {
        let from_two = |wanted: Value| quantity(2, &wanted).ok();
        assert_eq!(from_two(json!(5)), Some(5));
        assert_eq!(from_two(json!("5")), Some(5));
        assert_eq!(from_two(json!("+1")), Some(3));
        assert_eq!(from_two(json!("-1")), Some(1));
        assert_eq!(from_two(json!("-7")), Some(0));
        for bad in
            [json!(-1.5), json!("x"), json!(""), json!("+"), json!("++1"), json!(1001), json!("+999"), json!(null), json!(1.5)]
        {
            assert_eq!(from_two(bad.clone()), None, "{bad}");
        }
    }
}
