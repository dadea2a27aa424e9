//! One process of a release, started as Heroku's runtime starts it (conventions 3.7): of a slug in `/app`, with the config
//! vars as environment, `.profile.d/*.sh` and `.profile` sourced by bash first; of an image as the image says, with the config
//! vars over its own.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::engine::{CA_BUNDLE, CA_VARIABLES, Command, EngineError, Environment, Exit};
use crate::model::{APP_DIR, ConfigVars, DEFAULT_VARIABLES, LOAD_PROFILES, WindowSize};
use crate::transcript::Transcript;

/// Where a slug is unpacked to: its files lie in `app` below this.
pub const SLUG_ROOT: &str = "/";

/// Docker's, for images that set none.
const IMAGE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The command is bash's to read, so it can be `rake db:migrate && rake seed`. Both outputs are one: of two, nobody could
/// tell what was written first.
fn script() -> String {
    format!("command=$1; shift\nexec 2>&1\n{LOAD_PROFILES}eval \"$command\"")
}

/// What is run, and what it is told.
#[derive(Debug)]
pub struct Process<'a> {
    /// `release.3`, in the environment as `DYNO`.
    pub name: &'a str,
    pub program: &'a Program,
    pub config: &'a ConfigVars,
    /// Variables that win over the config vars.
    pub env: &'a BTreeMap<String, String>,
    pub time: Duration,
}

/// What is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// A command of a slug, which bash reads, with what the stack's image sets.
    Slug { command: String, env: BTreeMap<String, String> },
    /// A program of an image, which needs no shell.
    Image { argv: Vec<String>, env: BTreeMap<String, String>, working_dir: String },
}

/// Makes the folders that a program of an image counts on, where the image lacks them.
pub async fn prepare_image(environment: &Environment, working_dir: &str) -> Result<(), EngineError> {
    for dir in [working_dir, APP_DIR] {
        // An empty tar: all that is left of putting it there is the folder.
        environment.put_in(dir, [0; 1024].as_slice()).await?;
    }
    Ok(())
}

/// Runs a process in an environment that the slug has been put into or that has the image's root, its output going to the transcript.
pub async fn run(environment: &Environment, process: &Process<'_>, transcript: &Transcript) -> Result<Exit, EngineError> {
    let command = command(environment, process);
    let exit = environment.run(command, |_, piece| transcript.output(piece)).await;
    transcript.end_line();
    exit
}

/// Runs a process with somebody at its other end, in a terminal if they have one. `None` when they have gone away, which ends it.
pub async fn run_attached(
    environment: &Environment,
    process: &Process<'_>,
    terminal: Option<WindowSize>,
    input: impl AsyncRead + Send + Unpin,
    output: impl AsyncWrite + Send + Unpin,
) -> Result<Option<Exit>, EngineError> {
    environment.run_attached(command(environment, process), terminal, input, output).await
}

fn command(environment: &Environment, process: &Process<'_>) -> Command {
    let (argv, cwd) = match process.program {
        Program::Slug { command, .. } => (["bash", "-c", &script(), "bash", command].map(str::to_owned).to_vec(), APP_DIR),
        Program::Image { argv, working_dir, .. } => (argv.clone(), working_dir.as_str()),
    };
    let env = variables(process, &environment.path(APP_DIR));
    Command { argv, env, cwd: cwd.into(), needs_network: true, timeout: process.time }
}

/// The whole environment. A config var wins over what is only a default, never over what the platform says; there is no
/// `PORT`, because nothing is routed here.
fn variables(process: &Process<'_>, home: &str) -> BTreeMap<String, String> {
    let defaults: Vec<(&str, &str)> = match process.program {
        Program::Slug { env, .. } => {
            let ca = CA_VARIABLES.map(|name| (name, CA_BUNDLE));
            DEFAULT_VARIABLES.into_iter().chain(texts(env)).chain(ca).collect()
        }
        Program::Image { env, .. } => [("PATH", IMAGE_PATH)].into_iter().chain(texts(env)).collect(),
    };
    let config = process.config.0.iter().map(|(key, value)| (key.as_str(), value.expose()));
    let fixed = [("DYNO", process.name), ("HOME", home)];
    let all = defaults.into_iter().chain(config).chain(texts(process.env)).chain(fixed);
    all.filter(|(name, _)| *name != "PORT").map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn texts(env: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    env.iter().map(|(key, value)| (key.as_str(), value.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, Kind, Settings, Spec};
    use crate::model::Secret;
    use crate::transcript::Redactor;

    /// Runs a command in an app of these files, and returns how it ended and what it wrote.
    async fn check(files: &[(&str, &str)], config: &[(&str, &str)], command: &str) -> (Exit, String) {
        let dir = tempfile::tempdir().unwrap();
        let (work_dir, allow_networks) = (dir.path().join("work"), Vec::new());
        let settings = Settings { kind: Kind::Local, helper: "/no".into(), work_dir, ca_bundle: None, allow_networks };
        let name = "run".to_owned();
        let spec = Spec { root: "/no".into(), name, memory_bytes: 0, pids: 0, cpus: 0, disk_bytes: 0, network: false };
        let environment = Engine::open(settings).await.unwrap().start(spec).await.unwrap();
        let mut tar = tar::Builder::new(Vec::new());
        for (path, content) in [("README", "")].iter().chain(files) {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, format!("app/{path}"), content.as_bytes()).unwrap();
        }
        environment.put_in(SLUG_ROOT, tar.into_inner().unwrap().as_slice()).await.unwrap();
        let config = ConfigVars(config.iter().map(|(key, value)| (key.parse().unwrap(), Secret::new(*value))).collect());
        let transcript = Transcript::create(&dir.path().join("log"), 1 << 20, Redactor::new([])).unwrap();
        let (name, time, env) = ("release.7", Duration::from_mins(1), BTreeMap::new());
        let program = Program::Slug { command: command.to_owned(), env: BTreeMap::new() };
        let process = Process { name, program: &program, config: &config, env: &env, time };
        let exit = run(&environment, &process, &transcript).await.unwrap();
        transcript.end();
        let mut log = transcript.follow();
        let mut text = Vec::new();
        while let Some(piece) = log.next().await.unwrap() {
            text.extend_from_slice(&piece);
        }
        (exit, String::from_utf8(text).unwrap())
    }

    #[tokio::test]
    async fn profiles_come_first_and_see_the_config() {
        let profiles = [(".profile.d/a.sh", "export A=\"$GREETING from a\"\n"), (".profile", "export B=\"$A and profile\"\n")];
        let (exit, text) = check(&profiles, &[("GREETING", "hello")], "echo $B; echo error >&2; echo last").await;
        assert_eq!((exit, text.as_str()), (Exit::Code(0), "hello from a and profile\nerror\nlast\n"));
    }

    #[tokio::test]
    async fn the_platform_has_the_last_word_on_its_own_variables() {
        let config = [("DYNO", "mine"), ("PORT", "5000"), ("LANG", "de_DE")];
        let (_, text) = check(&[], &config, "echo $DYNO ${PORT-unset} $LANG $# ${HOME##*/} ${PWD##*/}").await;
        assert_eq!(text, "release.7 unset de_DE 0 app app\n");
    }

    #[tokio::test]
    async fn the_commands_end_is_the_process_end() {
        assert_eq!(check(&[], &[], "true && exit 3").await.0, Exit::Code(3));
        let (exit, text) = check(&[], &[], "nosuch-command").await;
        assert!(exit == Exit::Code(127) && text.contains("nosuch-command: command not found"), "{exit:?} {text}");
    }
}
