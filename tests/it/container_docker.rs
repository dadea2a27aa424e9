//! `hoist container:…` with a real Docker Engine, from the Dockerfile to the release; and the release on an engine of the
//! user's own, by `releases:compose` and `releases:kube`.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Daemon, Docker, User, run};

/// Is the shell of the images too: its name tells it what to be.
const BUSYBOX: &str = "/bin/busybox";
const WEB: &str = r#"FROM scratch
COPY busybox /bin/sh
COPY busybox /bin/busybox
ARG GREETING=hello
ENV GREETING=$GREETING
CMD ["/bin/sh", "-c", "busybox mkdir /www; echo $GREETING > /www/index.html; exec busybox httpd -f -p $PORT -h /www"]
"#;

/// A user at a computer with docker and a folder with Dockerfiles.
struct Desk {
    daemon: Daemon,
    user: User,
    docker: &'static Docker,
    folder: tempfile::TempDir,
    /// Where docker keeps the user's logins.
    logins: tempfile::TempDir,
}

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Desk {
    /// None, with the reason printed, where there can be no docker.
    fn new() -> Option<Self> {
        let docker = Docker::get()?;
        let daemon = Daemon::start();
        let user = daemon.user("alice@example.com");
        daemon.client(&user, &["apps:create", "shop", "--stack", "container"]);
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(BUSYBOX, folder.path().join("busybox")).unwrap();
        let logins = tempfile::tempdir().unwrap();
        let desk = Self { daemon, user, docker, folder, logins };
        let login = desk.hoist(&["container:login"]);
        assert!(login.code == Some(0) && login.stdout.contains("Login Succeeded"), "{}", login.all());
        Some(desk)
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.folder.path().join(name), content).unwrap();
    }

    /// A command of the user's, with docker where the tests have it.
    fn command(&self, mut command: Command) -> Ran {
        let docker = self.docker.command(&[]);
        let env = docker.get_envs().filter_map(|(key, value)| Some((key, value?)));
        command.envs(env).env("DOCKER_CONFIG", self.logins.path()).current_dir(self.folder.path()).stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&self.daemon.http, "HOST");
        Ran { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    fn hoist(&self, args: &[&str]) -> Ran {
        let mut command = self.daemon.hoist(args);
        command.env("HOIST_URL", format!("http://{}", self.daemon.http)).env("HOIST_API_KEY", &self.user.token);
        self.command(command)
    }

    /// One that must succeed; returns what it prints.
    fn done(&self, args: &[&str]) -> String {
        let ran = self.hoist(args);
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.all());
        ran.stdout
    }

    fn compose(&self, args: &[&str]) -> Ran {
        let mut command = Command::new("docker-compose");
        command.args(["-p", "hoist-test", "-f", "compose.yml", "-f", "alone.yml"]).args(args);
        self.command(command)
    }
}

impl Ran {
    fn all(&self) -> String {
        format!("{}{}", self.stderr, self.stdout)
    }
}

/// A Dockerfile for the release command.
fn migration(command: &str) -> String {
    format!("FROM scratch\nCOPY busybox /bin/sh\nCOPY busybox /bin/busybox\nCMD [\"/bin/sh\", \"-c\", \"{command}\"]\n")
}

#[test]
fn from_a_dockerfile_to_a_release() {
    let Some(desk) = Desk::new() else { return };
    desk.write("Dockerfile", WEB);
    let nothing = desk.hoist(&["container:release", "web", "-a", "shop"]);
    assert!(nothing.code == Some(1) && nothing.stderr.contains("There is no image shop/web:latest."), "{}", nothing.all());

    let pushed = desk.done(&["container:push", "web", "-a", "shop", "--arg", "GREETING=hi"]);
    let (building, pushing) = (pushed.find("=== Building web (").unwrap(), pushed.find("=== Pushing web (").unwrap());
    assert!(building < pushing, "{pushed}");
    let last = "Your image has been successfully pushed. You can now release it with the 'container:release' command.\n";
    assert!(pushed.ends_with(last), "{pushed}");

    let released = desk.hoist(&["container:release", "web", "-a", "shop"]);
    assert_eq!(released.all(), "Releasing images web to shop... done\n");
    let (version, description) = desk.daemon.releases(&desk.user, "shop").pop().unwrap();
    assert!(version == 2 && description.starts_with("Deployed web ("), "v{version} {description}");
    desk.done(&["container:release", "web", "-a", "shop"]);

    let pulled = desk.done(&["container:pull", "web", "web:latest", "-a", "shop"]);
    assert!(pulled.contains("=== Pulling web as HOST/shop/web\n"), "{pulled}");
    let ran = desk.hoist(&["container:run", "web", "-a", "shop", "-p", "5123", "sh", "-c", "echo $GREETING $PORT; exit 7"]);
    assert_eq!((ran.code, ran.stdout.lines().last()), (Some(7), Some("hi 5123")), "{}", ran.all());

    let removed = desk.hoist(&["container:rm", "web", "-a", "shop"]);
    assert_eq!(removed.all(), "Removing container web for shop... done\n");
    assert!(desk.hoist(&["container:logout"]).code == Some(0));
    assert!(desk.hoist(&["container:push", "web", "-a", "shop"]).code == Some(1), "without a login");
}

#[test]
fn every_dockerfile_has_its_process_type_and_release_is_the_command() {
    let Some(desk) = Desk::new() else { return };
    desk.write("Dockerfile.web", WEB);
    desk.write("Dockerfile.release", &migration("echo migrating"));
    let pushed = desk.done(&["container:push", "-R", "-a", "shop", "--context-path", "."]);
    assert!(pushed.contains("=== Building release (") && pushed.contains("=== Pushing web ("), "{pushed}");
    assert!(pushed.contains("Your images have been successfully pushed. You can now release them with"), "{pushed}");
    let released = desk.hoist(&["container:release", "web", "release", "-a", "shop"]);
    assert_eq!(released.all(), "Releasing images web,release to shop... done\nRunning release command...\nmigrating\n");

    desk.write("Dockerfile.release", &migration("echo broken; exit 3"));
    desk.done(&["container:push", "release", "-R", "-a", "shop"]);
    let failed = desk.hoist(&["container:release", "release", "-a", "shop"]);
    assert_eq!(failed.code, Some(1));
    assert!(failed.stdout.contains("broken") && failed.stderr.contains("release command failed"), "{}", failed.all());
}

#[test]
fn a_release_runs_where_compose_runs_it() {
    let Some(desk) = Desk::new() else { return };
    desk.write("Dockerfile.web", WEB);
    desk.write("Dockerfile.release", &migration("echo migrating; test $SECRET = yes"));
    desk.daemon.client(&desk.user, &["config:set", "SECRET=yes", "-a", "shop"]);
    desk.done(&["container:push", "-R", "-a", "shop"]);
    desk.done(&["container:release", "web", "release", "-a", "shop"]);

    let hidden = desk.done(&["releases:compose", "-a", "shop"]);
    assert!(hidden.contains("- SECRET=${SECRET}") && hidden.contains("HOST/shop/web:v3"), "{hidden}");
    let pinned = desk.done(&["releases:compose", "v3", "-a", "shop", "--pin", "--with-config"]);
    assert!(pinned.contains("HOST/shop/web@sha256:"), "{pinned}");
    desk.write("compose.yml", &pinned.replace("HOST", &desk.daemon.http));
    // The tests' engine has no network, which is no matter of the file's.
    desk.write("alone.yml", "services:\n  web:\n    network_mode: none\n  release:\n    network_mode: none\n");
    let up = desk.compose(&["up", "-d"]);
    assert_eq!(up.code, Some(0), "{}", up.all());
    let logs = desk.compose(&["logs", "release"]);
    assert!(logs.stdout.contains("migrating"), "{}", logs.all());
    let answer =
        "for try in 1 2 3 4 5 6 7 8; do busybox wget -q -O - http://127.0.0.1:5000/ && exit; busybox usleep 250000; done; exit 1";
    let page = desk.compose(&["exec", "-T", "web", "sh", "-c", answer]);
    let down = desk.compose(&["down", "-t", "0"]);
    assert_eq!((page.stdout.trim(), down.code), ("hello", Some(0)), "{}", page.all());

    valid_for_kubernetes(&desk.done(&["releases:kube", "-a", "shop", "--with-config"]), desk.folder.path());
}

/// Holds manifests against Kubernetes' own schema.
fn valid_for_kubernetes(manifests: &str, folder: &Path) {
    assert!(manifests.contains("kind: Job") && manifests.contains("SECRET: eWVz"), "{manifests}");
    let validate = std::env::var_os("HOIST_KUBERNETES_VALIDATE_DIR").map(|dir| Path::new(&dir).join("bin/kubernetes-validate"));
    let Some(validate) = validate.filter(|program| program.exists()) else {
        eprintln!("skipped: there is no kubernetes-validate; run the tests with `make test`");
        return;
    };
    let file = folder.join("kube.yml");
    std::fs::write(&file, manifests).unwrap();
    run(Command::new(validate).arg("--strict").arg(file));
}
