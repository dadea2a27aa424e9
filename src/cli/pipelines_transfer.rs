//! `hoist pipelines:transfer`

use clap::Args;

use super::apps::confirm;
use super::client::Client;
use super::error::CliError;
use super::output::Action;
use super::pipelines::find;
use super::target::encode;
use crate::api::types::{IdRef, NewPipelineOwner, NewPipelineTransfer, PipelineTransfer, User};

#[derive(Debug, Args)]
pub(super) struct Transfer {
    /// Address of the new owner, somebody whom you work with in an app or a pipeline
    owner: String,
    /// Name or id of the pipeline
    #[arg(short, long)]
    pipeline: String,
    /// The pipeline's name again, to transfer it without being asked
    #[arg(short, long, value_name = "PIPELINE")]
    confirm: Option<String>,
}

pub(super) fn transfer(client: &Client, args: &Transfer) -> Result<(), CliError> {
    let pipeline = find(client, &args.pipeline)?;
    let owner: User = client.get(&format!("/users/{}", encode(&args.owner)))?;
    let what = format!("This transfers {} to the {} account; its apps stay with their owners.", pipeline.name, owner.email());
    confirm(&pipeline.name, args.confirm.as_deref(), &what)?;
    let action = Action::start(&format!("Transferring {} pipeline to the {} account", pipeline.name, owner.email()));
    let new = NewPipelineTransfer {
        pipeline: IdRef { id: pipeline.id.to_string() },
        new_owner: NewPipelineOwner { id: owner.id().to_string(), kind: "user".into() },
    };
    client.post::<PipelineTransfer>("/pipeline-transfers", &new)?;
    action.done();
    Ok(())
}
