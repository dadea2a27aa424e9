//! The user's own docker or podman, started with the user's own terminal.

use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use clap::Args;

use crate::cli::error::CliError;
use crate::cli::images::Registry;
use crate::cli::output;
use crate::model::Secret;

/// In this order.
const PROGRAMS: [&str; 2] = ["docker", "podman"];
/// What podman alone must be told of a registry without TLS, and with which of its commands.
const PODMAN_PLAIN: &str = "--tls-verify=false";
const PODMAN_PLAIN_COMMANDS: [&str; 4] = ["login", "push", "pull", "run"];
/// Keeps docker's builder from pushing an index with the image and its provenance in place of the image, which is what a release is
/// made from. Other builders do not look at it.
const NO_ATTESTATIONS: (&str, &str) = ("BUILDX_NO_DEFAULT_ATTESTATIONS", "1");

#[derive(Debug, Args)]
pub(in crate::cli) struct EngineArgs {
    /// Program to use; docker, or podman where there is no docker
    #[arg(long, env = "HOIST_DOCKER", value_name = "PROGRAM")]
    docker: Option<String>,
    /// Show the commands that are run
    #[arg(short, long)]
    verbose: bool,
}

/// The program, as it is called about one registry.
#[derive(Debug)]
pub(super) struct Engine<'a> {
    program: String,
    registry: &'a Registry,
    is_verbose: bool,
}

impl<'a> Engine<'a> {
    /// The program that the user names, else the first that is there.
    pub(super) fn find(args: &EngineArgs, registry: &'a Registry) -> Result<Self, CliError> {
        let known = PROGRAMS.map(str::to_owned).to_vec();
        let candidates = args.docker.clone().map_or(known, |program| vec![program]);
        let is_verbose = args.verbose;
        for program in candidates {
            let version =
                command(&program).arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
            match version {
                Ok(_) => return Ok(Self { program, registry, is_verbose }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(CliError::User(format!("can't start {program}: {error}"))),
            }
        }
        Err(CliError::User(match &args.docker {
            Some(program) => format!("There is no program {program}. Look at --docker and HOIST_DOCKER."),
            None => "Cannot find docker or podman. Install one of them (https://docs.docker.com/engine/install/, or \
                     https://podman.io/docs/installation), or say with --docker or HOIST_DOCKER where it is."
                .into(),
        }))
    }

    /// Runs one of its commands, which must succeed.
    pub(super) fn must(&self, name: &str, options: &[&str], operands: &[&str]) -> Result<(), CliError> {
        self.succeeded(name, self.call(name, options, operands, None)?)
    }

    /// Logs in with a token, which nobody can read in the program's arguments.
    pub(super) fn login(&self, token: &Secret) -> Result<(), CliError> {
        let options = ["--username=_", "--password-stdin"];
        self.succeeded("login", self.call("login", &options, &[self.registry.host()], Some(token))?)
    }

    fn succeeded(&self, name: &str, status: ExitStatus) -> Result<(), CliError> {
        if status.success() {
            return Ok(());
        }
        Err(CliError::User(format!("{} {name} exited with {}.{}", self.program, end(status), self.advice(name))))
    }

    /// Runs one of its commands to the end: first its options, then what it is about. `secret` is its standard input, which
    /// else is the user's, as are its outputs.
    pub(super) fn call(
        &self,
        name: &str,
        options: &[&str],
        operands: &[&str],
        secret: Option<&Secret>,
    ) -> Result<ExitStatus, CliError> {
        let arguments = self.arguments(name, options, operands);
        if self.is_verbose {
            let line = shlex::try_join([&*self.program].into_iter().chain(arguments.iter().copied()));
            output::note(&line.map_err(anyhow::Error::from)?);
        }
        let mut command = command(&self.program);
        command.args(arguments).env(NO_ATTESTATIONS.0, NO_ATTESTATIONS.1);
        let failed = |error| CliError::User(format!("can't run {}: {error}", self.program));
        let Some(secret) = secret else { return command.status().map_err(failed) };
        let mut child = command.stdin(Stdio::piped()).spawn().map_err(failed)?;
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        let written = stdin.write_all(secret.expose().as_bytes());
        drop(stdin);
        let status = child.wait().map_err(failed)?;
        // Whoever ends without reading has failed for a reason of its own.
        if status.success() {
            written.map_err(failed)?;
        }
        Ok(status)
    }

    fn arguments<'b>(&self, name: &'b str, options: &[&'b str], operands: &[&'b str]) -> Vec<&'b str> {
        let is_podman = Path::new(&self.program).file_name().is_some_and(|name| name.to_string_lossy().contains("podman"));
        let plain = is_podman && self.registry.is_plain_loopback() && PODMAN_PLAIN_COMMANDS.contains(&name);
        let plain = plain.then_some(PODMAN_PLAIN);
        [name].into_iter().chain(plain).chain(options.iter().copied()).chain(operands.iter().copied()).collect()
    }

    /// What may be the reason when something about the registry has failed.
    fn advice(&self, name: &str) -> String {
        let asks = PODMAN_PLAIN_COMMANDS.contains(&name);
        if !asks || !self.registry.is_plain_elsewhere() {
            return String::new();
        }
        format!(
            " {} is reached over plain HTTP, which docker and podman refuse: give HOIST_URL an https:// address, or name {0} \
             among the insecure registries of their configuration.",
            self.registry.host()
        )
    }
}

/// `1`, or `signal 9`.
fn end(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => code.to_string(),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    }
}

#[expect(clippy::disallowed_methods, reason = "the user's own program, which the user's own command line names")]
fn command(program: &str) -> Command {
    Command::new(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(program: &str, url: &str, name: &str) -> String {
        let registry = Registry::at(&url.parse().unwrap());
        let engine = Engine { program: program.into(), registry: &registry, is_verbose: false };
        engine.arguments(name, &["--option"], &["image"]).join(" ")
    }

    #[test]
    fn only_podman_is_told_of_plain_http() {
        let here = "http://127.0.0.1:5000";
        assert_eq!(arguments("docker", here, "push"), "push --option image");
        assert_eq!(arguments("/usr/bin/podman", here, "push"), "push --tls-verify=false --option image");
        assert_eq!(arguments("podman", here, "build"), "build --option image");
        assert_eq!(arguments("podman", "https://localhost:5000", "push"), "push --option image");
        assert_eq!(arguments("podman", "http://hoist.example.com", "push"), "push --option image");
    }
}
