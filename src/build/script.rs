//! Running one script of a buildpack.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::silence::with_silence_notes;
use super::{Build, BuildError};
use crate::engine::{CA_BUNDLE, CA_VARIABLES, Command, EngineError, Exit, Stream};

/// What a script's short answer (detect, release) may hold, in bytes; the rest is dropped.
const MAX_ANSWER: usize = 64 * 1024;

/// A buildpack in the environment.
#[derive(Debug, Clone)]
pub(super) struct Pack {
    pub(super) dir: String,
    /// `export` files of the packs before it, in order; sourced before its scripts (conventions 3.6).
    pub(super) exports: Vec<String>,
}

/// What a script that answers shortly has said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) exit: Exit,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// Standard output and standard error as they came.
    pub(super) all: String,
}

impl Build<'_> {
    /// Runs a script and streams its output (both streams, in the order of writing) to the transcript.
    pub(super) async fn run_streamed(&self, pack: &Pack, script: &str, args: &[&str]) -> Result<Exit, EngineError> {
        let mut command = self.command(pack, script, args, true);
        // One pipe for both: of two, nobody could tell what was written first.
        command.argv.splice(0..0, ["sh", "-c", r#"exec "$0" "$@" 2>&1"#].map(str::to_owned));
        let run = self.environment.run(command, |_, piece| self.transcript.output(piece));
        let exit = with_silence_notes(self.transcript, self.silence, run).await;
        self.transcript.end_line();
        exit
    }

    /// Runs a script and returns what it says.
    pub(super) async fn run_for_answer(&self, pack: &Pack, script: &str, args: &[&str]) -> Result<Answer, BuildError> {
        self.answer(self.command(pack, script, args, false)).await
    }

    /// Runs a script that a pack need not have; it says nothing then.
    pub(super) async fn run_for_answer_if_there(&self, pack: &Pack, script: &str, args: &[&str]) -> Result<Answer, BuildError> {
        self.answer(if_there(self.command(pack, script, args, false))).await
    }

    /// The same for a script whose failure does not matter, and which has less time.
    pub(super) async fn run_for_report(&self, pack: &Pack, args: &[&str], time: Duration) -> Result<Answer, EngineError> {
        let command = if_there(self.command(pack, "bin/report", args, false));
        let timeout = command.timeout.min(time);
        self.collect(Command { timeout, ..command }).await
    }

    /// Runs a command of hoist's own in `BUILD_DIR` and returns what it says.
    pub(super) async fn answer_of(&self, argv: &[&str]) -> Result<Answer, BuildError> {
        let pack = Pack { dir: self.dir.clone(), exports: Vec::new() };
        let argv = argv.iter().map(|&word| word.to_owned()).collect();
        self.answer(Command { argv, ..self.command(&pack, "", &[], false) }).await
    }

    /// A script that runs into a limit gives no answer: what it would have said is not for its caller to guess.
    async fn answer(&self, command: Command) -> Result<Answer, BuildError> {
        let answer = self.collect(command).await?;
        match answer.exit {
            Exit::Code(_) | Exit::Signal(_) => Ok(answer),
            exit @ (Exit::TimedOut | Exit::OutOfMemory | Exit::OutOfDisk | Exit::OutOfPids) => Err(self.cut_off(exit)),
        }
    }

    async fn collect(&self, command: Command) -> Result<Answer, EngineError> {
        let (mut stdout, mut stderr, mut all) = (Vec::new(), Vec::new(), Vec::new());
        let take = |stream, piece: &[u8]| {
            let keep = |text: &mut Vec<u8>| text.extend_from_slice(&piece[..piece.len().min(MAX_ANSWER - text.len())]);
            keep(&mut all);
            keep(if stream == Stream::Stdout { &mut stdout } else { &mut stderr });
        };
        let exit = self.environment.run(command, take).await?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answer { exit, stdout: text(stdout), stderr: text(stderr), all: text(all) })
    }

    /// A script's command line: the script itself, or bash when exports must be sourced first. A pack's scripts start
    /// in the pack's own folder (conventions 3.5).
    fn command(&self, pack: &Pack, script: &str, args: &[&str], needs_network: bool) -> Command {
        let script = self.environment.path(&format!("{}/{script}", pack.dir));
        let mut argv = Vec::new();
        if !pack.exports.is_empty() {
            let mut lines: Vec<_> = pack.exports.iter().map(|file| format!(". {}", self.environment.path(file))).collect();
            lines.push("exec \"$0\" \"$@\"".to_owned());
            argv.extend(["/bin/bash".to_owned(), "-c".to_owned(), lines.join("\n")]);
        }
        argv.push(script);
        argv.extend(args.iter().map(|path| self.environment.path(path)));
        Command { argv, env: self.variables(), cwd: pack.dir.clone(), needs_network, timeout: self.time_left() }
    }

    /// The environment a pack sees at Heroku (conventions 3.5), and where to find the CA bundle. What the stack's image sets
    /// wins over the path alone.
    fn variables(&self) -> BTreeMap<String, String> {
        let path = [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")];
        let of_stack = self.stack_env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fixed = [
            ("BUILDPACK_LOG_FILE", "/dev/null"),
            ("DYNO", "build.1"),
            ("HOME", "/app"),
            ("REQUEST_ID", &self.request_id),
            ("SOURCE_VERSION", self.source_version.unwrap_or_default()),
            ("STACK", self.stack.as_str()),
        ];
        let ca = CA_VARIABLES.map(|name| (name, CA_BUNDLE));
        path.into_iter().chain(of_stack).chain(fixed).chain(ca).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// A command that does nothing, and succeeds, where its script is not there.
fn if_there(mut command: Command) -> Command {
    command.argv.splice(0..0, ["sh", "-c", r#"test ! -x "$0" || exec "$0" "$@""#].map(str::to_owned));
    command
}
