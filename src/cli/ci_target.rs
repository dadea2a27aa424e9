//! Which pipeline a command is about.

use clap::Args;

use super::client::Client;
use super::error::CliError;
use super::pipelines::coupling_of;
use super::target::{Target, encode};
use crate::api::types::{Pipeline, PipelineRef};

#[derive(Debug, Args)]
pub(super) struct PipelineTarget {
    /// Name or id of the pipeline
    #[arg(short, long)]
    pipeline: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl PipelineTarget {
    /// The pipeline of the flag, or that of the app.
    pub(super) fn find(&self, client: &Client) -> Result<PipelineRef, CliError> {
        let Some(pipeline) = &self.pipeline else { return Ok(coupling_of(client, &self.target)?.pipeline) };
        let Pipeline { id, name, .. } = client.get(&format!("/pipelines/{}", encode(pipeline)))?;
        Ok(PipelineRef { id, name })
    }
}
