//! How a command fails: in one sentence, and with which exit code.

use std::io;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::output;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// The user can put it right.
    #[error("{0}")]
    User(String),
    /// What the Heroku CLI refuses by itself with exit code 2.
    #[error("{0}")]
    Command(String),
    /// The API refused.
    #[error("{message}")]
    Api { id: String, message: String, resource: Option<String> },
    #[error("{0}")]
    NotLoggedIn(String),
    /// The command that was run ended so, and has said why itself.
    #[error("the command ended with {0}")]
    Exited(u8),
    #[error("could not print")]
    Output(#[from] io::Error),
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// Prints an error and gives its exit code.
pub(super) fn report(error: &CliError) -> ExitCode {
    let (text, code) = match error {
        CliError::User(text) => (text.clone(), 1),
        CliError::Command(text) => (text.clone(), 2),
        CliError::Api { id, message, .. } => (format!("{message}\n\nError ID: {id}"), 2),
        CliError::NotLoggedIn(text) => (text.clone(), 100),
        CliError::Exited(code) => return ExitCode::from(*code),
        // Whoever read the output has had enough, as `head` does.
        CliError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        CliError::Output(error) => (format!("can't print: {error}"), 1),
        // With its causes.
        CliError::Other(error) => (format!("{error:#}"), 1),
    };
    let mark = Style::new().fg_color(Some(AnsiColor::Red.into()));
    for (number, line) in text.lines().enumerate() {
        let first = if number == 0 { "Error: " } else { "" };
        output::aside(format_args!("{}\n", format!(" {mark}›{mark:#}   {first}{line}").trim_end()));
    }
    ExitCode::from(code)
}

/// Prints clap's own text: help on stdout, what is wrong with the arguments (and what was meant) on stderr.
pub(super) fn usage(error: &mut clap::Error) -> ExitCode {
    // clap names everything that is somewhat alike, the most alike last.
    if let Some(ContextValue::Strings(alike)) = error.get(ContextKind::SuggestedSubcommand) {
        let meant = alike.iter().last().cloned().into_iter().collect();
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(meant));
    }
    // Nothing can be done about a closed terminal here.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(1),
    }
}
