//! `hoist ci`, `ci:run`, `ci:rerun`, `ci:info`, `ci:last`; `ci:config` has its own file.

use std::path::Path;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::builds_create::upload;
use super::ci_config::{self, Get, List as ConfigList, Set, Unset};
use super::ci_target::PipelineTarget;
use super::client::Client;
use super::error::CliError;
use super::head::Head;
use super::output::{self, Action, print, print_json};
use super::source_tar;
use crate::api::types::{NewTestRun, PipelineRef, TestCase, TestNode, TestRun};
use crate::model::TestRunStatus;

/// As many runs as Heroku's CLI shows.
const SHOWN: &str = "number ..; order=desc,max=15";

#[derive(Debug, Subcommand)]
pub(super) enum Ci {
    /// Display the most recent test runs of a pipeline
    #[command(name = "ci")]
    List(List),
    /// Run the tests of what is in the current folder
    #[command(name = "ci:run")]
    Run(Run),
    /// Run the tests of what is in the current folder again, as the commit of an earlier run
    #[command(name = "ci:rerun")]
    Rerun(Rerun),
    /// Show the output of a test run
    #[command(name = "ci:info")]
    Info(Info),
    /// Show the output of the newest test run
    #[command(name = "ci:last")]
    Last(Last),
    /// Display the config vars of a pipeline's test runs
    #[command(name = "ci:config")]
    Config(ConfigList),
    /// Display a config var of a pipeline's test runs
    #[command(name = "ci:config:get")]
    ConfigGet(Get),
    /// Set config vars of a pipeline's test runs
    #[command(name = "ci:config:set")]
    ConfigSet(Set),
    /// Unset config vars of a pipeline's test runs
    #[command(name = "ci:config:unset")]
    ConfigUnset(Unset),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    target: PipelineTarget,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    target: PipelineTarget,
    /// Output in JSON format, when the tests have ended
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Rerun {
    /// Number of the test run; the newest if none is given
    number: Option<u32>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Args)]
pub(super) struct Info {
    /// Number of the test run
    test_run: u32,
    #[command(flatten)]
    last: Last,
}

#[derive(Debug, Args)]
pub(super) struct Last {
    #[command(flatten)]
    target: PipelineTarget,
    /// The node number to show; hoist has one per run
    #[arg(long)]
    node: Option<u32>,
    /// Output in JSON format
    #[arg(long)]
    json: bool,
}

/// Everything about a run.
#[derive(Debug, Serialize)]
struct Whole {
    #[serde(rename = "test_run")]
    run: TestRun,
    #[serde(rename = "test_nodes")]
    nodes: Vec<TestNode>,
    #[serde(rename = "test_cases")]
    cases: Vec<TestCase>,
}

impl Ci {
    pub(super) fn run(self) -> Result<(), CliError> {
        let client = Client::open()?;
        match self {
            Self::List(args) => list(&client, &args),
            Self::Run(args) => run(&client, &args),
            Self::Rerun(args) => rerun(&client, &args),
            Self::Info(args) => {
                let pipeline = args.last.target.find(&client)?;
                info(&client, &pipeline, args.test_run, args.last.json)
            }
            Self::Last(args) => last(&client, &args),
            Self::Config(args) => ci_config::list(&client, &args),
            Self::ConfigGet(args) => ci_config::get(&client, &args),
            Self::ConfigSet(args) => ci_config::set(&client, &args),
            Self::ConfigUnset(args) => ci_config::unset(&client, &args),
        }
    }
}

fn list(client: &Client, args: &List) -> Result<(), CliError> {
    let pipeline = args.target.find(client)?;
    let runs: Vec<TestRun> = client.part(&format!("/pipelines/{}/test-runs", pipeline.id), SHOWN)?;
    if args.json {
        return print_json(&runs);
    }
    let rows: Vec<_> = runs.into_iter().map(row).collect();
    let title = format!("Showing latest test runs for the {} pipeline", pipeline.name);
    print(&(output::header(&title) + &output::table(["", "", "branch", "sha", "status"], &rows)))
}

fn row(run: TestRun) -> [String; 5] {
    let sha = run.commit_sha.chars().take(7).collect();
    [icon(&run.status).into(), run.number.to_string(), run.commit_branch, sha, run.status]
}

fn run(client: &Client, args: &Run) -> Result<(), CliError> {
    let head = Head::here()?;
    let pipeline = args.target.find(client)?;
    let new = NewTestRun {
        commit_branch: head.branch,
        commit_message: head.title,
        commit_sha: head.commit,
        pipeline: pipeline.id.to_string(),
        ..NewTestRun::default()
    };
    start(client, &pipeline, new, args.json)
}

fn rerun(client: &Client, args: &Rerun) -> Result<(), CliError> {
    let pipeline = args.run.target.find(client)?;
    let source = match args.number {
        Some(number) => get(client, &pipeline, number)?,
        None => newest(client, &pipeline)?.ok_or_else(|| CliError::User(none_of(&pipeline)))?,
    };
    output::note(&format!("Rerunning test run #{}...", source.number));
    let new = NewTestRun {
        commit_branch: source.commit_branch,
        commit_message: source.commit_message,
        commit_sha: source.commit_sha,
        pipeline: pipeline.id.to_string(),
        ..NewTestRun::default()
    };
    start(client, &pipeline, new, args.run.json)
}

/// Starts a run of what is in the current folder, and shows it to its end.
fn start(client: &Client, pipeline: &PipelineRef, new: NewTestRun, json: bool) -> Result<(), CliError> {
    let action = Action::start("Preparing source");
    let packed = source_tar::pack(Path::new("."), false)?;
    action.done();
    let source_blob_url = upload(client, packed)?;
    let action = Action::start("Starting test run");
    let run: TestRun = client.post("/test-runs", &NewTestRun { source_blob_url, ..new })?;
    action.done();
    if json {
        let run = wait(client, pipeline, run, is_end)?;
        return info(client, pipeline, run.number, json);
    }
    let action = Action::start("Waiting for build to start");
    let run = wait(client, pipeline, run, |status| status == TestRunStatus::Building || has_begun(status))?;
    action.done();
    let node = node_of(client, &run)?;
    show(client, &node.setup_stream_url)?;
    let run = wait(client, pipeline, run, has_begun)?;
    show(client, &node.output_stream_url)?;
    let run = wait(client, pipeline, run, is_end)?;
    finish(client, &run)
}

fn info(client: &Client, pipeline: &PipelineRef, number: u32, json: bool) -> Result<(), CliError> {
    let run = get(client, pipeline, number)?;
    let node = node_of(client, &run)?;
    if json {
        let cases = client.get(&format!("/test-runs/{}/test-cases", run.id))?;
        print_json(&Whole { run: run.clone(), nodes: vec![node.clone()], cases })?;
        return end_as(&run, &node);
    }
    show(client, &node.setup_stream_url)?;
    show(client, &node.output_stream_url)?;
    finish(client, &run)
}

fn last(client: &Client, args: &Last) -> Result<(), CliError> {
    let pipeline = args.target.find(client)?;
    let Some(run) = newest(client, &pipeline)? else {
        output::warn(&none_of(&pipeline));
        return Ok(());
    };
    info(client, &pipeline, run.number, args.json)
}

fn none_of(pipeline: &PipelineRef) -> String {
    format!("The pipeline {} has no test runs.", pipeline.name)
}

fn get(client: &Client, pipeline: &PipelineRef, number: u32) -> Result<TestRun, CliError> {
    client.get(&format!("/pipelines/{}/test-runs/{number}", pipeline.id))
}

fn newest(client: &Client, pipeline: &PipelineRef) -> Result<Option<TestRun>, CliError> {
    let path = format!("/pipelines/{}/test-runs", pipeline.id);
    Ok(client.part(&path, "number ..; order=desc,max=1")?.into_iter().next())
}

fn node_of(client: &Client, run: &TestRun) -> Result<TestNode, CliError> {
    let nodes: Vec<TestNode> = client.get(&format!("/test-runs/{}/test-nodes", run.id))?;
    nodes.into_iter().next().ok_or_else(|| CliError::User(format!("Test run {} has no node.", run.number)))
}

/// Asks until the status is as wanted. The server holds each answer back until there are news.
fn wait(
    client: &Client,
    pipeline: &PipelineRef,
    mut run: TestRun,
    wanted: impl Fn(TestRunStatus) -> bool,
) -> Result<TestRun, CliError> {
    while !run.status.parse().is_ok_and(&wanted) {
        run = get(client, pipeline, run.number)?;
    }
    Ok(run)
}

fn has_begun(status: TestRunStatus) -> bool {
    status == TestRunStatus::Running || is_end(status)
}

fn is_end(status: TestRunStatus) -> bool {
    status.is_end()
}

/// Shows an output to its end. Its address is HTTPS for the Heroku CLI's sake, with a certificate that may be this
/// installation's own: this client goes the way that it goes anyway.
fn show(client: &Client, url: &str) -> Result<(), CliError> {
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    output::print_stream(client.stream(&format!("{}/{path}", client.url()))?)
}

/// Says how the run ended, and ends so.
fn finish(client: &Client, run: &TestRun) -> Result<(), CliError> {
    let sha: String = run.commit_sha.chars().take(7).collect();
    print(&format!("\n{} #{} {}:{sha} {}\n", icon(&run.status), run.number, run.commit_branch, run.status))?;
    end_as(run, &node_of(client, run)?)
}

/// The node's exit code is the command's. A run that did not succeed and has none was ended by hoist, or by somebody.
fn end_as(run: &TestRun, node: &TestNode) -> Result<(), CliError> {
    let ended_otherwise = ["failed", "errored", "cancelled"].contains(&run.status.as_str());
    match node.exit_code.unwrap_or_else(|| i32::from(ended_otherwise)) {
        0 => Ok(()),
        code => Err(CliError::Exited(u8::try_from(code).unwrap_or(1))),
    }
}

fn icon(status: &str) -> &'static str {
    match status {
        "succeeded" => "✓",
        "failed" => "✗",
        "errored" | "cancelled" => "!",
        _ => "-",
    }
}
