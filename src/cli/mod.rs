//! The command line: the daemon, its administration, and a client of the Platform API whose commands have the names,
//! flags and output of Heroku's.
//!
//! `serve`, `admin` and `stacks` work on an installation from its own host. The client commands stand in one file per
//! family and know nothing but HTTP (`client`) and [`crate::api::types`]. `target` finds the app that a command is about,
//! with the help of `checkout`, the user's git repository, and `ci_target` the pipeline; `head` is where the repository
//! stands; `source_tar` packs a folder; `images` is what images are called, and `runnable` which of them a release runs as;
//! `registry` reads images, and `export` writes one;
//! `attach` is the one connection that is not HTTP, and `terminal` what the user types
//! at; `netrc` keeps logins; `output` and `error` are what is printed, `nearest` what was meant.

mod admin;
mod admin_bundle;
mod admin_gc;
mod admin_github;
mod admin_repo;
mod serve;
mod stacks;

mod access;
mod addons;
mod addons_change;
mod apps;
mod apps_source;
mod audit;
mod auth;
mod authorizations;
mod buildpacks;
mod builds;
mod builds_create;
mod ci;
mod ci_config;
mod completion;
mod config;
mod container;
mod git_credentials;
mod github;
mod github_connect;
mod github_deploy;
mod keys;
mod ledger;
mod logs;
mod notifications;
mod pipelines;
mod pipelines_connect;
mod pipelines_promote;
mod pipelines_transfer;
mod ps;
mod release_image;
mod releases;
mod releases_compose;
mod releases_kube;
mod review_apps;
mod run;
mod setup;
mod slugs;
mod stack;
mod stack_pull;
mod stack_remove;
mod stack_work;
mod webhooks;
mod webhooks_deliveries;

mod attach;
mod checkout;
mod ci_target;
mod client;
mod error;
mod export;
mod head;
mod heroku_yml;
mod images;
mod nearest;
mod netrc;
mod output;
mod registry;
mod runnable;
mod source_tar;
mod target;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::ServeArgs;
use error::CliError;

/// git push in, recorded release out
#[derive(Debug, Parser)]
#[command(name = "hoist", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Client commands talk to HOIST_URL (default http://127.0.0.1:5000) with the token in HOIST_API_KEY or ~/.netrc, about \
the app named by --app, HOIST_APP or the git remote `hoist` or `heroku`.

Exit codes: 0 done; 1 what was asked for can't be done as asked, and the text says why; 2 hoist's API refused; 100 not logged \
in; of `run` the command's own, and 128 more than its number if a signal ended it.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon
    Serve(Box<ServeArgs>),
    /// Administer the installation on this host
    #[command(subcommand)]
    Admin(admin::Admin),
    #[command(flatten)]
    Stacks(stacks::Stacks),
    #[command(flatten)]
    Access(access::Access),
    #[command(flatten)]
    Addons(addons::Addons),
    #[command(flatten)]
    Apps(apps::Apps),
    #[command(flatten)]
    AppsSource(apps_source::AppsSource),
    #[command(flatten)]
    Audit(audit::Audit),
    #[command(flatten)]
    Auth(auth::Auth),
    #[command(flatten)]
    Authorizations(authorizations::Authorizations),
    #[command(flatten)]
    Buildpacks(buildpacks::Buildpacks),
    #[command(flatten)]
    Builds(builds::Builds),
    #[command(flatten)]
    Ci(ci::Ci),
    #[command(flatten)]
    Completion(completion::Completion),
    #[command(flatten)]
    Config(config::Config),
    #[command(flatten)]
    Container(container::Container),
    #[command(flatten)]
    GitCredentials(git_credentials::GitCredentials),
    #[command(flatten)]
    GitHub(github::GitHub),
    #[command(flatten)]
    Keys(keys::Keys),
    #[command(flatten)]
    Ledger(ledger::Ledger),
    #[command(flatten)]
    Logs(logs::Logs),
    #[command(flatten)]
    Notifications(notifications::Notifications),
    #[command(flatten)]
    Pipelines(pipelines::Pipelines),
    #[command(flatten)]
    Ps(ps::Ps),
    #[command(flatten)]
    Releases(releases::Releases),
    #[command(flatten)]
    ReleaseImage(release_image::ReleaseImage),
    #[command(flatten)]
    ReviewApps(review_apps::ReviewApps),
    #[command(flatten)]
    Run(run::Run),
    #[command(flatten)]
    Setup(setup::Setup),
    #[command(flatten)]
    Slugs(slugs::Slugs),
    #[command(flatten)]
    Stack(stack::Stack),
    #[command(flatten)]
    Webhooks(webhooks::Webhooks),
}

/// Entry point of the command line. Its exit codes are those that `AFTER_HELP` tells.
#[must_use]
pub fn main() -> ExitCode {
    completion::answer::<Cli>();
    let result = match Cli::try_parse() {
        Ok(cli) => cli.command.run(),
        Err(mut usage) => return error::usage(&mut usage),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error::report(&error),
    }
}

impl Command {
    fn run(self) -> Result<(), CliError> {
        match self {
            Self::Serve(args) => serve::run(&args),
            Self::Admin(command) => command.run(),
            Self::Stacks(command) => command.run(),
            Self::Access(command) => command.run(),
            Self::Addons(command) => command.run(),
            Self::Apps(command) => command.run(),
            Self::AppsSource(command) => command.run(),
            Self::Audit(command) => command.run(),
            Self::Auth(command) => command.run(),
            Self::Authorizations(command) => command.run(),
            Self::Buildpacks(command) => command.run(),
            Self::Builds(command) => command.run(),
            Self::Ci(command) => command.run(),
            Self::Completion(command) => command.run(),
            Self::Config(command) => command.run(),
            Self::Container(command) => command.run(),
            Self::GitCredentials(command) => command.run(),
            Self::GitHub(command) => command.run(),
            Self::Keys(command) => command.run(),
            Self::Ledger(command) => command.run(),
            Self::Logs(command) => command.run(),
            Self::Notifications(command) => command.run(),
            Self::Pipelines(command) => command.run(),
            Self::Ps(command) => command.run(),
            Self::Releases(command) => command.run(),
            Self::ReleaseImage(command) => command.run(),
            Self::ReviewApps(command) => command.run(),
            Self::Run(command) => command.run(),
            Self::Setup(command) => command.run(),
            Self::Slugs(command) => command.run(),
            Self::Stack(command) => command.run(),
            Self::Webhooks(command) => command.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_commands_fit_together() {
        Cli::command().debug_assert();
    }

    /// These do something and say no more than that it is done.
    const ACTIONS: &str = "serve github:allow login logout access:add access:update access:remove addons:attach addons:detach \
        addons:destroy addons:rename addons:rotate apps:destroy apps:follow apps:root apps:skip-unchanged apps:unfollow authorizations:revoke builds:cancel builds:cache:purge \
        ci:config:unset config:unset keys:add keys:remove notifications:remove pipelines:create pipelines:add pipelines:update pipelines:remove \
        pipelines:rename pipelines:transfer pipelines:destroy ps:restart ps:stop releases:rollback releases:retry \
        releases:block reviewapps:disable reviewapps:delete run stack:remove stack:set container:login container:logout container:push container:pull container:run \
        container:release container:rm git-credentials:remove repo:export repo:import github:disconnect github:update webhooks:update webhooks:remove";
    /// These print a text that is taken as it is: a log, a token, a script.
    const TEXTS: &str = "gc builds:output releases:output releases:compose releases:kube releases:export releases:sbom \
        releases:provenance releases:signing-key slugs:sbom slugs:provenance logs auth:token user:add completion";

    fn leaves(command: &clap::Command) -> Vec<&clap::Command> {
        if !command.has_subcommands() {
            return vec![command];
        }
        command.get_subcommands().flat_map(leaves).collect()
    }

    /// So a new command has it, or says here why not.
    #[test]
    fn whatever_prints_data_prints_it_as_json_too() {
        let cli = Cli::command();
        let has_json = |command: &&clap::Command| command.get_arguments().any(|argument| argument.get_long() == Some("json"));
        let (with, without): (Vec<_>, Vec<_>) =
            leaves(&cli).into_iter().filter(|command| !command.is_hide_set()).partition(has_json);
        let names =
            |commands: &[&clap::Command]| commands.iter().map(|command| command.get_name().to_owned()).collect::<BTreeSet<_>>();
        let expected = ACTIONS.split_whitespace().chain(TEXTS.split_whitespace()).map(str::to_owned).collect();
        assert_eq!(names(&without), expected);
        assert!(with.len() > 40, "the tree was walked");
    }
}
