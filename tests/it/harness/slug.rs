//! Runs what was released: the slug in the run stack, as a container host would.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek as _};
use std::process;
use std::time::Duration;

use hoist::engine::{Command, Engine, Exit, Kind, Settings, Spec, Stream};

use super::{Daemon, HOIST, User, stacks_dir};

const PORT: &str = "5006";

/// Starts the `web` process of the app's newest release in the run stack and fetches a page from it.
pub(crate) fn page_of(daemon: &Daemon, user: &User, app: &str, path: &str) -> String {
    let slug = daemon.newest_slug(user, app);
    let web = slug["process_types"]["web"].as_str().expect("the app has a web process").to_owned();
    let tar = download(daemon, slug["blob"]["url"].as_str().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let stack = hoist::stack::find(&stacks_dir(), &"debian-12".parse().unwrap()).unwrap();
        let work_dir = tempfile::tempdir_in(daemon.data_dir()).unwrap();
        let settings = Settings {
            kind: Kind::Sandbox,
            helper: HOIST.into(),
            work_dir: work_dir.path().to_path_buf(),
            ca_bundle: None,
            allow_networks: Vec::new(),
        };
        let engine = Engine::open(settings).await.unwrap();
        let spec = Spec {
            root: stack.run_root,
            name: "run".into(),
            memory_bytes: 1 << 30,
            pids: 256,
            cpus: 0,
            disk_bytes: 1 << 30,
            network: false,
        };
        let environment = engine.start(spec).await.unwrap();
        environment.put_in("/", tokio::fs::File::from_std(tar)).await.unwrap();
        let mut log = String::new();
        let mut page = String::new();
        // As Heroku's runtime does: config, then .profile.d, then the command.
        let script = format!("for file in .profile.d/*.sh; do [ -r \"$file\" ] && . \"$file\"; done\nexec {web}");
        let run = environment.run(command(&["bash", "-c", &script]), |_, piece| log.push_str(&String::from_utf8_lossy(piece)));
        let url = format!("http://127.0.0.1:{PORT}{path}");
        let retry = ["--retry", "60", "--retry-delay", "1", "--retry-connrefused"];
        let fetch: Vec<&str> = ["curl", "-sS"].into_iter().chain(retry).chain([url.as_str()]).collect();
        let fetch = environment.run(command(&fetch), |stream, piece| {
            if stream == Stream::Stdout {
                page.push_str(&String::from_utf8_lossy(piece));
            }
        });
        let fetched = tokio::select! {
            exit = run => Err(exit),
            exit = fetch => Ok(exit.unwrap()),
        };
        environment.stop().await.unwrap();
        assert_eq!(fetched.ok(), Some(Exit::Code(0)), "no page from {app}; its web process said:\n{log}");
        page
    })
}

/// The slug's plain tar, as a container host gets it: over HTTP, then through the system's gzip. The daemon's own store is
/// no place to read from, for it belongs to the daemon as long as that runs.
fn download(daemon: &Daemon, url: &str) -> File {
    let archive = tempfile::tempfile_in(daemon.data_dir()).unwrap();
    let mut tar = tempfile::tempfile_in(daemon.data_dir()).unwrap();
    let mut answer = ureq::get(url).call().unwrap();
    io::copy(&mut answer.body_mut().as_reader(), &mut &archive).unwrap();
    (&archive).rewind().unwrap();
    let gunzip = process::Command::new("gzip").arg("-dc").stdin(archive).stdout(tar.try_clone().unwrap()).status().unwrap();
    assert!(gunzip.success());
    tar.rewind().unwrap();
    tar
}

fn command(argv: &[&str]) -> Command {
    let env = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/app"), ("PORT", PORT)];
    Command {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        env: env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>(),
        cwd: "/app".into(),
        needs_network: false,
        timeout: Duration::from_secs(90),
    }
}
