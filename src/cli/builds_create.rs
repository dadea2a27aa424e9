//! `hoist builds:create`

use std::fs::File;
use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::client::Client;
use super::error::CliError;
use super::output::{Action, print, print_json};
use super::source_tar;
use super::target::{Target, app_path};
use crate::api::types::{Build, NewBuild, NewSourceBlob, Source};

#[derive(Debug, Args)]
pub(super) struct Create {
    #[command(flatten)]
    target: Target,
    /// Folder to build [default: the current one]
    #[arg(long, alias = "source-dir", value_name = "DIR", conflicts_with_all = ["source_tar", "source_url"])]
    dir: Option<PathBuf>,
    /// .tar.gz file to build
    #[arg(long, value_name = "FILE", conflicts_with = "source_url")]
    source_tar: Option<PathBuf>,
    /// URL of a .tar.gz to build
    #[arg(long, value_name = "URL")]
    source_url: Option<String>,
    /// What the source is called, such as its commit
    #[arg(long)]
    version: Option<String>,
    /// Build what git ignores, too
    #[arg(long)]
    include_vcs_ignore: bool,
    /// Output in JSON format, when the build has ended
    #[arg(long)]
    json: bool,
}

/// Uploads the source, unless it has a URL, and shows the build to its end.
pub(super) fn create(client: &Client, args: &Create) -> Result<(), CliError> {
    let app = args.target.app()?;
    let url = match &args.source_url {
        Some(url) => url.clone(),
        None => upload(client, source(args)?)?,
    };
    let version = Some(args.version.clone().unwrap_or_default());
    let source_blob = Some(NewSourceBlob { url: Some(url), version, ..NewSourceBlob::default() });
    let builds = format!("{}/builds", app_path(&app));
    let build: Build = client.post(&builds, &NewBuild { source_blob, buildpacks: None })?;
    // The log is what is being done; the data is the release.
    io::copy(&mut client.stream(&build.output_stream_url)?, &mut anstream::stderr())?;
    let build: Build = client.get(&format!("{builds}/{}", build.id))?;
    if args.json {
        print_json(&build)?;
    }
    match (build.status.as_str(), build.release) {
        ("succeeded", Some(_)) if args.json => Ok(()),
        ("succeeded", Some(_)) => print(&format!("Build {} succeeded\n", build.id)),
        _ => Err(CliError::User("Build failed".into())),
    }
}

fn source(args: &Create) -> Result<File, CliError> {
    if let Some(path) = &args.source_tar {
        return File::open(path).map_err(|error| CliError::User(format!("can't read {}: {error}", path.display())));
    }
    let action = Action::start("Packing source");
    let packed = source_tar::pack(args.dir.as_deref().unwrap_or(".".as_ref()), args.include_vcs_ignore)?;
    action.done();
    Ok(packed)
}

/// Uploads an archive and returns where hoist finds it.
pub(super) fn upload(client: &Client, file: File) -> Result<String, CliError> {
    let bytes = file.metadata().context("can't read the source")?.len();
    let Source { source_blob } = client.post("/sources", &())?;
    let action = Action::start_bytes("Uploading source", bytes);
    client.upload(&source_blob.put_url, bytes, action.counting(file))?;
    action.done();
    Ok(source_blob.get_url)
}
