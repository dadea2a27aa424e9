//! `hoist container:push`

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::dockerfiles::{self, Job};
use super::engine::{Engine, EngineArgs};
use super::{Purpose, container_app};
use crate::cli::client::Client;
use crate::cli::error::CliError;
use crate::cli::images::Registry;
use crate::cli::output::{self, print};
use crate::cli::target::Target;
use crate::model::ProcessType;

pub(super) const EXAMPLES: &str = "\
Examples:
  hoist container:push web                           # Dockerfile, for the process type web
  hoist container:push web worker --recursive        # Dockerfile.web and Dockerfile.worker
  hoist container:push --recursive                   # every Dockerfile.TYPE
  hoist container:push web --arg ENV=live,HTTPS=on   # build-time variables
  hoist container:push -R --context-path .           # every Dockerfile.TYPE, with this folder as build context";

#[derive(Debug, Args)]
pub(in crate::cli) struct Push {
    /// Process types to build for: one, or with --recursive any number, and all if none is given
    #[arg(value_name = "TYPE")]
    process_types: Vec<ProcessType>,
    #[command(flatten)]
    target: Target,
    /// Set build-time variables, which everybody can read in the image
    #[arg(long, value_name = "KEY=VALUE,…", value_delimiter = ',')]
    arg: Vec<String>,
    /// Path to use as build context (defaults to the Dockerfile's folder)
    #[arg(long, value_name = "DIR")]
    context_path: Option<PathBuf>,
    /// Don't use the cache when building
    #[arg(long)]
    no_cache: bool,
    /// Push every Dockerfile.TYPE found in this folder and below
    #[arg(short = 'R', long)]
    recursive: bool,
    #[command(flatten)]
    engine: EngineArgs,
}

pub(super) fn push(client: &Client, args: &Push) -> Result<(), CliError> {
    check(args)?;
    let app = container_app(client, &args.target, Purpose::Deploy)?;
    let registry = Registry::of(client)?;
    let engine = Engine::find(&args.engine, &registry)?;
    let jobs = jobs(args)?;
    for job in &jobs {
        print(&output::header(&format!("Building {}", describe(job))))?;
        build(&engine, args, job, &registry.image(&app, job.process_type.as_str()))?;
    }
    for job in &jobs {
        print(&output::header(&format!("Pushing {}", describe(job))))?;
        engine.must("push", &[], &[&registry.image(&app, job.process_type.as_str())])?;
    }
    let (have, them) = if jobs.len() == 1 { (" has", "it") } else { ("s have", "them") };
    print(&format!(
        "Your image{have} been successfully pushed. You can now release {them} with the 'container:release' command.\n"
    ))
}

fn check(args: &Push) -> Result<(), CliError> {
    match (args.recursive, &args.process_types[..]) {
        (false, []) => Err(CliError::User("Requires either --recursive or one or more process types".into())),
        (false, [_, _, ..]) => Err(CliError::User("Requires exactly one target process type, or --recursive option".into())),
        _ => Ok(()),
    }
}

fn jobs(args: &Push) -> Result<Vec<Job>, CliError> {
    let folder = std::env::current_dir()?;
    match &args.process_types[..] {
        [process_type] if !args.recursive => Ok(vec![dockerfiles::of_folder(&folder, process_type)?]),
        wanted => select(dockerfiles::below(&folder)?, wanted),
    }
}

/// The Dockerfile of each type that is wanted, which is every one if none is named.
fn select(mut found: BTreeMap<ProcessType, Vec<PathBuf>>, wanted: &[ProcessType]) -> Result<Vec<Job>, CliError> {
    for missing in wanted.iter().filter(|process_type| !found.contains_key(process_type)) {
        output::warn(&format!("Dockerfile.{missing} not found"));
    }
    found.retain(|process_type, _| wanted.is_empty() || wanted.contains(process_type));
    if found.is_empty() {
        return Err(CliError::User("No images to push".into()));
    }
    let job = |(process_type, dockerfiles): (ProcessType, Vec<PathBuf>)| {
        Ok(Job { dockerfile: choose(&process_type, dockerfiles)?, process_type })
    };
    found.into_iter().map(job).collect()
}

/// The only Dockerfile for a type, or the one that the user chooses.
fn choose(process_type: &ProcessType, mut dockerfiles: Vec<PathBuf>) -> Result<PathBuf, CliError> {
    if dockerfiles.len() == 1 {
        return Ok(dockerfiles.remove(0));
    }
    let list = dockerfiles.iter().enumerate().map(|(at, path)| format!("\n  {}: {}", at + 1, path.display()));
    let found = format!("Found multiple Dockerfiles with process type {process_type}:{}", list.collect::<String>());
    if !std::io::stdin().is_terminal() {
        return Err(CliError::User(format!("{found}\nRun the command in the folder of the one that is meant.")));
    }
    output::note(&format!("{found}\nPlease choose one to build and push, by its number:"));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let chosen = line.trim().parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let chosen = chosen.filter(|at| *at < dockerfiles.len());
    chosen.map(|at| dockerfiles.swap_remove(at)).ok_or_else(|| CliError::User("None was chosen. Aborted.".into()))
}

fn describe(job: &Job) -> String {
    format!("{} ({})", job.process_type, job.dockerfile.display())
}

fn build(engine: &Engine<'_>, args: &Push, job: &Job, image: &str) -> Result<(), CliError> {
    let dockerfile = text(&job.dockerfile)?;
    let folder = job.dockerfile.parent().unwrap_or(Path::new("."));
    let context = text(args.context_path.as_deref().unwrap_or(folder))?;
    let mut options = vec!["-f", dockerfile, "-t", image];
    if args.no_cache {
        options.push("--no-cache");
    }
    options.extend(args.arg.iter().filter(|arg| !arg.is_empty()).flat_map(|arg| ["--build-arg", arg]));
    engine.must("build", &options, &[context])
}

fn text(path: &Path) -> Result<&str, CliError> {
    path.to_str().ok_or_else(|| CliError::User(format!("The path {} is no UTF-8 text.", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[(&str, &[&str])]) -> BTreeMap<ProcessType, Vec<PathBuf>> {
        let one = |(name, paths): &(&str, &[&str])| (name.parse().unwrap(), paths.iter().map(PathBuf::from).collect());
        names.iter().map(one).collect()
    }

    fn selected(found: BTreeMap<ProcessType, Vec<PathBuf>>, wanted: &[&str]) -> Result<Vec<String>, String> {
        let wanted: Vec<ProcessType> = wanted.iter().map(|name| name.parse().unwrap()).collect();
        let jobs = select(found, &wanted).map_err(|error| error.to_string())?;
        Ok(jobs.iter().map(describe).collect())
    }

    #[test]
    fn recursively_every_type_is_pushed_or_those_that_are_named() {
        let both = || found(&[("web", &["Dockerfile.web"]), ("worker", &["a/Dockerfile.worker"])]);
        assert_eq!(selected(both(), &[]).unwrap(), ["web (Dockerfile.web)", "worker (a/Dockerfile.worker)"]);
        assert_eq!(selected(both(), &["worker", "clock"]).unwrap(), ["worker (a/Dockerfile.worker)"]);
        assert_eq!(selected(both(), &["clock"]).unwrap_err(), "No images to push");
    }

    #[test]
    fn two_dockerfiles_for_one_type_need_a_choice() {
        let error = selected(found(&[("web", &["Dockerfile.web", "a/Dockerfile.web"])]), &[]).unwrap_err();
        assert!(error.contains("1: Dockerfile.web") && error.contains("2: a/Dockerfile.web"), "{error}");
    }
}
