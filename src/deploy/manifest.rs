//! What setups and test runs make of an app.json.

use crate::build::{self, ArchiveSource, BuildError, Means};
use crate::ctx::Ctx;
use crate::model::{AppJson, Invalid, StackName};
use crate::stack::{self, StackError};

/// Reads an archive's app.json, if it has one. The outer error is that the archive can't be read.
pub(super) async fn read(source: &ArchiveSource, means: &Means<'_>) -> Result<Result<Option<AppJson>, Invalid>, BuildError> {
    let files = build::read_manifest_files(source, means).await?;
    Ok(files.app_json.as_deref().map(AppJson::parse).transpose())
}

/// The stack that app.json asks for, if it does and there is such a stack.
pub(super) fn stack(ctx: &Ctx, app_json: &AppJson) -> Result<Option<StackName>, Invalid> {
    let Some(name) = &app_json.stack else { return Ok(None) };
    if name.is_container() {
        return Ok(Some(name.clone()));
    }
    match stack::find(&ctx.config.stacks_dir, name) {
        Err(StackError::NotBuilt(_)) => {
            Err(Invalid(format!("stack: there is no stack {name} here; `hoist stacks` lists those there are")))
        }
        // A damaged one is told of by whoever starts from it.
        _ => Ok(Some(name.clone())),
    }
}
