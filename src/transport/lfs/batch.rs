//! `POST /objects/batch`: where each file is got or put.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::caller::Caller;
use super::error::LfsError;
use super::grant::{Grant, Purpose};
use super::message::{BadObject, Batch, parse_batch};
use super::{answer, read_question};
use crate::audit;
use crate::ctx::Ctx;
use crate::lfs;
use crate::model::{App, Deed, LfsObject, LfsOperation, Outcome};

/// Answers for each file: where to get it, where to put it, nothing if it is there already, or why not.
pub(super) async fn batch(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(repo): Path<String>,
    request: Request,
) -> Result<Response, LfsError> {
    let (parts, body) = request.into_parts();
    let Batch { operation, objects } = parse_batch(&read_question(&parts.headers, body).await?)?;
    let app = caller.open(&ctx, &repo, operation).await?;
    let asked: Vec<_> = objects.iter().filter_map(|object| object.as_ref().ok().copied()).collect();
    let has = match operation {
        LfsOperation::Download => lfs::have_objects(&ctx.db, app.id, &asked).await?,
        LfsOperation::Upload => lfs::count_on(&ctx.db, app.id, &asked, ctx.now()).await?,
    };
    let desk = Desk { ctx: &ctx, caller: &caller, app: &app };
    if operation == LfsOperation::Upload {
        let wanted = asked.iter().zip(&has).filter(|(object, has)| !**has && desk.has_room_for(object));
        desk.record(&wanted.map(|(object, _)| object).collect::<Vec<_>>()).await?;
    }
    let mut has = has.into_iter();
    let answers = objects.iter().map(|object| match object {
        Ok(object) => desk.answer(operation, object, has.next() == Some(true)),
        Err(BadObject { oid, size }) => {
            refusal(json!({"oid": oid, "size": size}), 422, "An object has a sha256 of 64 lower case hex digits, and a size.")
        }
    });
    let answers: Vec<_> = answers.collect();
    Ok(answer(StatusCode::OK, &json!({"transfer": "basic", "hash_algo": "sha256", "objects": answers})))
}

/// What each answer is made of.
struct Desk<'a> {
    ctx: &'a Ctx,
    caller: &'a Caller,
    app: &'a App,
}

impl Desk<'_> {
    fn answer(&self, operation: LfsOperation, object: &LfsObject, has: bool) -> Value {
        let told = json!({"oid": object.digest.hex(), "size": object.size_bytes});
        match (operation, has) {
            (LfsOperation::Download, false) => refusal(told, 404, "The app has no such object."),
            (LfsOperation::Download, true) => self.with_actions(told, object, operation, &[("download", "")]),
            (LfsOperation::Upload, true) => told,
            (LfsOperation::Upload, false) if !self.has_room_for(object) => refusal(told, 422, &self.too_large()),
            (LfsOperation::Upload, false) => self.with_actions(told, object, operation, &[("upload", ""), ("verify", "/verify")]),
        }
    }

    fn with_actions(&self, mut told: Value, object: &LfsObject, operation: LfsOperation, actions: &[(&str, &str)]) -> Value {
        let credential = &self.caller.visitor.credential;
        let grant = Grant::new(credential, self.app.id, Purpose::of(operation, *object), self.ctx.now());
        let place = format!("{}/objects/{}", self.caller.server_of(self.app), object.digest.hex());
        let link = |end: &str| grant.link(self.ctx.db.cipher(), &format!("{place}{end}"));
        told["actions"] = actions.iter().map(|(name, end)| ((*name).to_owned(), link(end))).collect();
        told["authenticated"] = true.into();
        told
    }

    /// A larger one could not be built.
    fn has_room_for(&self, object: &LfsObject) -> bool {
        object.size_bytes <= self.ctx.config.limits.blob_bytes
    }

    fn too_large(&self) -> String {
        let limit = self.ctx.config.limits.blob_bytes;
        format!(
            "A file has at most {limit} bytes here. Ask your administrator to raise `blob_bytes` in the [limits] of hoist.toml."
        )
    }

    /// Records that files are about to be sent. What is sent to the addresses that are given out is part of that.
    async fn record(&self, objects: &[&LfsObject]) -> Result<(), LfsError> {
        if objects.is_empty() {
            return Ok(());
        }
        let bytes = objects.iter().fold(0_u64, |sum, object| sum.saturating_add(object.size_bytes));
        let data = json!({"values": {"files": objects.len(), "bytes": bytes}});
        let deed = Deed { app: Some(self.app.id), kind: "lfs".into(), action: "upload".into(), data };
        let begun = audit::begin(&self.ctx.db, &self.caller.visitor.actor(), &deed, self.ctx.now()).await?;
        audit::end(&self.ctx.db, begun, &Outcome::Succeeded, self.ctx.now()).await;
        Ok(())
    }
}

fn refusal(mut told: Value, code: u16, message: &str) -> Value {
    told["error"] = json!({"code": code, "message": message});
    told
}
