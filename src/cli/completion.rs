//! `hoist completion`: words completed by the user's shell, which asks this executable at each Tab. So it knows the user's
//! apps, too.

use clap::{Args, CommandFactory, Subcommand, ValueEnum};
use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

use super::client::Client;
use super::error::CliError;
use super::output::print;
use crate::api::types::App;

/// The variable in which a shell asks. Not the library's own `COMPLETE`, which any other program may mean.
const VARIABLE: &str = "HOIST_COMPLETE";
const PROGRAM: &str = "hoist";

/// Bash would take `config:set` for two words. It is what `npm` and others do.
const WHOLE_WORDS: &str = "COMP_WORDBREAKS=${COMP_WORDBREAKS//:}";

#[derive(Debug, Subcommand)]
pub(super) enum Completion {
    /// Print what makes a shell complete commands, flags and apps: eval it in the shell's start-up file
    #[command(name = "completion", visible_alias = "autocomplete")]
    Print(Print),
}

#[derive(Debug, Args)]
pub(super) struct Print {
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Completion {
    pub(super) fn run(self) -> Result<(), CliError> {
        let Self::Print(Print { shell }) = self;
        let completer: &dyn EnvCompleter = match shell {
            Shell::Bash => &Bash,
            Shell::Zsh => &Zsh,
            Shell::Fish => &Fish,
        };
        let mut script = Vec::new();
        completer.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)?;
        let first = if matches!(shell, Shell::Bash) { WHOLE_WORDS } else { "" };
        print(&format!("{first}{}", String::from_utf8_lossy(&script)))
    }
}

/// Answers a shell that asks, and ends; otherwise does nothing.
pub(super) fn answer<C: CommandFactory>() {
    CompleteEnv::with_factory(C::command).var(VARIABLE).complete();
}

/// The user's apps whose names begin so. None if hoist can't be asked: a Tab is no place for an error.
pub(super) fn apps(begun: &std::ffi::OsStr) -> Vec<CompletionCandidate> {
    let begun = begun.to_string_lossy();
    let apps: Result<Vec<App>, _> = Client::open().and_then(|client| client.list("/users/~/apps"));
    let names = apps.unwrap_or_default().into_iter().map(|app| app.name);
    names.filter(|name| name.starts_with(&*begun)).map(CompletionCandidate::new).collect()
}
