//! `hoist pipelines`, `pipelines:create`, `pipelines:add`, `pipelines:info`, `pipelines:update`, `pipelines:remove`,
//! `pipelines:rename`, `pipelines:destroy`; `pipelines:promote` and `pipelines:diff`, `pipelines:transfer` and
//! `pipelines:connect` have files of their own.

use std::str::FromStr as _;

use clap::{Args, Subcommand};

use super::client::Client;
use super::error::CliError;
use super::output::{self, Action, print, print_json};
use super::pipelines_connect::{self, Connect};
use super::pipelines_promote::{self, Diff, Promote};
use super::pipelines_transfer::{self, Transfer};
use super::target::{Target, encode};
use crate::api::types::{
    App, AppIds, AppsFilter, NewPipeline, NewPipelineCoupling, Pipeline, PipelineChange, PipelineCoupling,
    PipelineCouplingChange, User,
};
use crate::model::Stage;

#[derive(Debug, Subcommand)]
pub(super) enum Pipelines {
    /// List pipelines you have access to
    #[command(name = "pipelines")]
    List(List),
    /// Create a pipeline with an app in it
    #[command(name = "pipelines:create")]
    Create(Create),
    /// Add an app to a pipeline
    #[command(name = "pipelines:add")]
    Add(Add),
    /// Show the apps in a pipeline
    #[command(name = "pipelines:info")]
    Info(Info),
    /// Move an app to another stage of its pipeline
    #[command(name = "pipelines:update")]
    Update(Update),
    /// Remove an app from its pipeline
    #[command(name = "pipelines:remove")]
    Remove(OfApp),
    /// Rename a pipeline
    #[command(name = "pipelines:rename")]
    Rename(Rename),
    /// Destroy a pipeline; its apps stay
    #[command(name = "pipelines:destroy")]
    Destroy(Destroy),
    /// Give a pipeline to another owner; its apps stay with theirs
    #[command(name = "pipelines:transfer")]
    Transfer(Transfer),
    /// Connect a pipeline to a repository, whose pull requests can have review apps
    #[command(name = "pipelines:connect")]
    Connect(Connect),
    /// Release an app's code in the apps of the next stage
    #[command(name = "pipelines:promote")]
    Promote(Promote),
    /// Compare an app's code with that of the apps it is promoted to
    #[command(name = "pipelines:diff")]
    Diff(Diff),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Name of the pipeline; the app's own if none is given
    name: Option<String>,
    /// Stage of the app
    #[arg(short, long, value_parser = Stage::from_str)]
    stage: Stage,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Name or id of the pipeline
    pipeline: String,
    /// Stage of the app
    #[arg(short, long, value_parser = Stage::from_str)]
    stage: Stage,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Info {
    /// Name or id of the pipeline
    pipeline: String,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// New stage of the app
    #[arg(short, long, value_parser = Stage::from_str)]
    stage: Stage,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct OfApp {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Rename {
    /// Name or id of the pipeline
    pipeline: String,
    /// New name of the pipeline
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct Destroy {
    /// Name or id of the pipeline
    pipeline: String,
}

impl Pipelines {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(args) => list(&client, &args),
            Self::Create(args) => create(&client, &args),
            Self::Add(args) => add(&client, &args),
            Self::Info(args) => info(&client, &args),
            Self::Update(args) => update(&client, &args),
            Self::Remove(args) => remove(&client, &args),
            Self::Rename(args) => rename(&client, &args),
            Self::Destroy(args) => destroy(&client, &args),
            Self::Transfer(args) => pipelines_transfer::transfer(&client, &args),
            Self::Connect(args) => pipelines_connect::connect(&client, &args),
            Self::Promote(args) => pipelines_promote::promote(&client, &args),
            Self::Diff(args) => pipelines_promote::diff(&client, &args),
        }
    }
}

/// A pipeline's apps with their stages.
pub(super) fn members(client: &Client, pipeline: &str) -> Result<Vec<(App, Stage)>, CliError> {
    let couplings: Vec<PipelineCoupling> = client.list(&format!("/pipelines/{}/pipeline-couplings", encode(pipeline)))?;
    let ids = couplings.iter().map(|coupling| coupling.app.id.to_string()).collect();
    let apps: Vec<App> = client.post("/filters/apps", &AppsFilter { within: AppIds { id: ids } })?;
    let mut members = Vec::new();
    for app in apps {
        let coupling = couplings.iter().find(|coupling| coupling.app.id == app.id);
        let stage = coupling.and_then(|coupling| coupling.stage.parse().ok());
        members.extend(stage.map(|stage| (app, stage)));
    }
    Ok(members)
}

/// The pipeline that the app is in.
pub(super) fn coupling_of(client: &Client, target: &Target) -> Result<PipelineCoupling, CliError> {
    let app = target.app()?;
    client.get(&format!("{}/pipeline-couplings", target.path()?)).map_err(|error| match error {
        CliError::Api { id, .. } if id == "not_found" => {
            CliError::User(format!("{app} isn't part of a pipeline, or isn't yours."))
        }
        error => error,
    })
}

/// A name names one pipeline, an id as well.
pub(super) fn find(client: &Client, name_or_id: &str) -> Result<Pipeline, CliError> {
    client.get(&format!("/pipelines/{}", encode(name_or_id)))
}

fn list(client: &Client, args: &List) -> Result<(), CliError> {
    let pipelines: Vec<Pipeline> = client.list("/pipelines")?;
    if args.json {
        return print_json(&pipelines);
    }
    let mut names: Vec<_> = pipelines.into_iter().map(|pipeline| format!("{}\n", pipeline.name)).collect();
    names.sort_unstable();
    print(&(output::header("My Pipelines") + &names.concat()))
}

fn create(client: &Client, args: &Create) -> Result<(), CliError> {
    let app = args.target.app()?;
    let name = args.name.clone().unwrap_or_else(|| app.clone());
    // An app that is not there must not leave a pipeline behind.
    client.get::<App>(&args.target.path()?)?;
    let action = Action::start(&format!("Creating {name} pipeline"));
    let pipeline: Pipeline = client.post("/pipelines", &NewPipeline { name, owner: None })?;
    action.done();
    couple(client, &pipeline, &app, args.stage)
}

fn add(client: &Client, args: &Add) -> Result<(), CliError> {
    let app = args.target.app()?;
    couple(client, &find(client, &args.pipeline)?, &app, args.stage)
}

fn couple(client: &Client, pipeline: &Pipeline, app: &str, stage: Stage) -> Result<(), CliError> {
    let action = Action::start(&format!("Adding {app} to {} pipeline as {stage}", pipeline.name));
    let new = NewPipelineCoupling { app: app.to_owned(), pipeline: pipeline.id.to_string(), stage: stage.to_string() };
    client.post::<PipelineCoupling>("/pipeline-couplings", &new)?;
    action.done();
    Ok(())
}

fn info(client: &Client, args: &Info) -> Result<(), CliError> {
    let pipeline = find(client, &args.pipeline)?;
    let mut members = members(client, &pipeline.id.to_string())?;
    if args.json {
        let apps: Vec<_> = members.into_iter().map(|(app, _)| app).collect();
        return print_json(&serde_json::json!({ "pipeline": pipeline, "apps": apps }));
    }
    let order = [Stage::Development, Stage::Review, Stage::Staging, Stage::Production];
    members.sort_by_key(|(app, stage)| (order.iter().position(|other| other == stage), app.name.clone()));
    let owner = members.iter().map(|(app, _)| &app.owner).find(|owner| owner.id == pipeline.owner.id);
    let owner = match owner {
        Some(owner) => owner.email.clone(),
        None => client.get::<User>(&format!("/users/{}", pipeline.owner.id))?.email().to_owned(),
    };
    let rows: Vec<_> = members.into_iter().map(|(app, stage)| [app.name, stage.to_string()]).collect();
    print(&format!("{}owner: {owner}\n\n{}", output::header(&pipeline.name), output::table(["app name", "stage"], &rows)))
}

fn update(client: &Client, args: &Update) -> Result<(), CliError> {
    let (app, coupling) = (args.target.app()?, coupling_of(client, &args.target)?);
    let action = Action::start(&format!("Changing {app} to {}", args.stage));
    let change = PipelineCouplingChange { stage: Some(args.stage.to_string()) };
    client.patch::<PipelineCoupling>(&format!("/pipeline-couplings/{}", coupling.id), &change)?;
    action.done();
    Ok(())
}

fn remove(client: &Client, args: &OfApp) -> Result<(), CliError> {
    let (app, coupling) = (args.target.app()?, coupling_of(client, &args.target)?);
    let action = Action::start(&format!("Removing {app} from {}", coupling.pipeline.name));
    client.delete::<PipelineCoupling>(&format!("/pipeline-couplings/{}", coupling.id))?;
    action.done();
    Ok(())
}

fn rename(client: &Client, args: &Rename) -> Result<(), CliError> {
    let pipeline = find(client, &args.pipeline)?;
    let action = Action::start(&format!("Renaming {} pipeline to {}", pipeline.name, args.name));
    let change = PipelineChange { name: Some(args.name.clone()) };
    client.patch::<Pipeline>(&format!("/pipelines/{}", pipeline.id), &change)?;
    action.done();
    Ok(())
}

fn destroy(client: &Client, args: &Destroy) -> Result<(), CliError> {
    let pipeline = find(client, &args.pipeline)?;
    let action = Action::start(&format!("Destroying {} pipeline", pipeline.name));
    client.delete::<Pipeline>(&format!("/pipelines/{}", pipeline.id))?;
    action.done();
    Ok(())
}
