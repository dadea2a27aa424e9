//! heroku.yml: pushes whose images a real Docker Engine builds.

use std::process::Stdio;
use std::sync::OnceLock;

use rustix::process::Signal;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::harness::{Daemon, Docker, User, WorkTree, interrupt, run, stacks_dir, until, wait};

/// What images are built upon: a shell and little else.
const BASE: &str = "hoist-test-shell";
static BASE_MADE: OnceLock<()> = OnceLock::new();

/// A daemon with an app `shop` on the stack container, and its work tree. `None` where there can't be an Engine.
struct Shop {
    docker: &'static Docker,
    daemon: Daemon,
    user: User,
    tree: WorkTree,
}

impl Shop {
    fn new(heroku_yml: &str, dockerfile: &str) -> Option<Self> {
        Self::with("", heroku_yml, dockerfile)
    }

    /// With these keys of `[docker]`.
    fn with(keys: &str, heroku_yml: &str, dockerfile: &str) -> Option<Self> {
        let docker = Docker::get()?;
        BASE_MADE.get_or_init(|| import_base(docker));
        // The tests' Engine has no network of its own.
        let config = format!("[docker]\nhost = \"{}\"\nnetwork = \"none\"\npull = \"missing\"\n{keys}\n", host(docker));
        let (daemon, user, tree) = shop(&config);
        tree.write("heroku.yml", heroku_yml);
        tree.write("Dockerfile", &dockerfile.replace("BASE", BASE));
        tree.commit("first");
        Some(Self { docker, daemon, user, tree })
    }

    fn push(&self) -> crate::harness::Pushed {
        self.tree.push_ssh(&self.daemon, &self.user, "shop")
    }

    /// The containers of the Engine whose command has this text.
    fn containers(&self, text: &str) -> usize {
        let all = run(&mut self.docker.command(&["ps", "-a", "--no-trunc", "--format", "{{.Command}}"]));
        all.lines().filter(|command| command.contains(text)).count()
    }

    /// Waits until this installation has no image in the Engine any more.
    fn until_no_images(&self) {
        let dir = self.daemon.data_dir().canonicalize().unwrap();
        let owner = hex::encode(&Sha256::digest(dir.as_os_str().as_encoded_bytes())[..6]);
        until(|| run(&mut self.docker.command(&["images", "-q", &format!("hoist-build/{owner}")])).is_empty());
    }

    fn builds(&self) -> Vec<String> {
        let builds = self.daemon.get(&self.user, "/apps/shop/builds");
        builds.as_array().unwrap().iter().map(|build| build["status"].as_str().unwrap().to_owned()).collect()
    }
}

/// A daemon with an app `shop` on the stack container, and an empty work tree.
fn shop(config: &str) -> (Daemon, User, WorkTree) {
    let daemon = Daemon::start_with(config);
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop", "--stack", "container"]);
    (daemon, user, WorkTree::new())
}

/// The Engine's socket as its client is told.
fn host(docker: &Docker) -> String {
    let command = docker.command(&[]);
    let host = command.get_envs().find(|(name, _)| *name == "DOCKER_HOST").and_then(|(_, value)| value);
    host.unwrap().to_str().unwrap().to_owned()
}

/// Makes the base image of the stack's shell. Once: made again it is another one, and nobody's cache is good for it.
fn import_base(docker: &Docker) {
    let stack = stacks_dir().join("debian-12");
    let current: Value = serde_json::from_slice(&std::fs::read(stack.join("current.json")).unwrap()).unwrap();
    let root = stack.join(current["digest"].as_str().unwrap().trim_start_matches("sha256:")).join("run");
    let files = "usr/bin/sh usr/bin/sleep usr/bin/cat usr/lib*/ld-linux* usr/lib/*-linux-gnu/libc.so.6";
    let script = format!("cd \"$1\" && tar -ch --owner=0 --group=0 --transform 's,^usr/,,' $(ls -d {files} 2>/dev/null)");
    let mut tar = std::process::Command::new("sh").args(["-c", &script, "sh"]).arg(root).stdout(Stdio::piped()).spawn().unwrap();
    let mut import = docker.command(&["import", "-", BASE]);
    assert!(import.stdin(tar.stdout.take().unwrap()).stdout(Stdio::null()).status().unwrap().success());
    assert!(tar.wait().unwrap().success());
}

/// The lines of hoist itself and the steps' headings: what Docker says of each differs from run to run.
fn spine(transcript: &str) -> Vec<&str> {
    let lines = transcript.lines().filter_map(|line| line.strip_prefix("remote: "));
    let is_spine = |line: &&str| ["=== ", "-----> ", " !     ", "Step ", "       "].iter().any(|start| line.starts_with(start));
    lines.filter(is_spine).collect()
}

const TWO_IMAGES: &str = "build:
  docker:
    web: Dockerfile
    worker: worker/Dockerfile
  config:
    GREETING: hello
release:
  image: worker
  command:
    - cat /app/seed
run:
  web: cat /served
  job:
    image: worker
    command: cat /app/seed
";

#[test]
fn a_push_builds_its_images_and_releases_them() {
    let web = "FROM BASE\nARG GREETING\nRUN echo $GREETING from $0 > /served\nCMD [\"cat\", \"/served\"]\n";
    let Some(shop) = Shop::new(TWO_IMAGES, web) else { return };
    shop.tree.write("worker/Dockerfile", &format!("FROM {BASE}\nCOPY . /app\nCMD sleep 1\n"));
    shop.tree.write("worker/.dockerignore", "*\n!seed\n");
    shop.tree.write("worker/seed", "seeded\n");
    shop.tree.write("worker/secret", "not in the image\n");
    shop.tree.write("Procfile", "clock: is not used\n");
    let commit = shop.tree.commit("both");

    let pushed = shop.push();
    assert!(pushed.ok, "{}", pushed.transcript);
    assert_eq!(
        spine(&pushed.transcript),
        [
            "=== Fetching app code",
            "=== Building web (Dockerfile)",
            &format!("Step 1/4 : FROM {BASE}"),
            "Step 2/4 : ARG GREETING",
            "Step 3/4 : RUN echo $GREETING from $0 > /served",
            "Step 4/4 : CMD [\"cat\", \"/served\"]",
            "=== Building worker (worker/Dockerfile)",
            &format!("Step 1/3 : FROM {BASE}"),
            "Step 2/3 : COPY . /app",
            "Step 3/3 : CMD sleep 1",
            "=== Pushing web (Dockerfile)",
            "=== Pushing worker (worker/Dockerfile)",
            "-----> Launching...",
            " !     Release command declared: this new release will not be available until the command succeeds.",
            "       Released v2",
            "       shop deployed to hoist",
            "-----> Built in TIME",
        ]
    );
    assert!(
        pushed.transcript.contains("seeded") && pushed.transcript.contains("Waiting for release.... done."),
        "{}",
        pushed.transcript
    );
    assert_eq!(shop.daemon.releases(&shop.user, "shop")[1].1, format!("Deploy {}", &commit[..8]));
    let formation = shop.daemon.get(&shop.user, "/apps/shop/formation");
    let commands: Vec<_> =
        formation.as_array().unwrap().iter().map(|one| format!("{}: {}", one["type"], one["command"])).collect();
    for command in [r#""job": "cat /app/seed""#, r#""web": "cat /served""#, r#""worker": "sleep 1""#] {
        assert!(commands.iter().any(|one| one == command), "{commands:?}");
    }
    // What was built is what runs, with nothing that .dockerignore names.
    assert_eq!(shop.daemon.client(&shop.user, &["run", "--no-tty", "--app", "shop", "web"]).trim(), "hello from /bin/sh");
    let manifest = manifest_of(&shop, "job");
    for layer in manifest["layers"].as_array().unwrap() {
        let digest = layer["digest"].as_str().unwrap();
        let blob = blob(&shop, digest);
        assert_eq!(format!("sha256:{}", hex::encode(Sha256::digest(&blob))), digest);
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(blob.as_slice()));
        let paths = tar.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
        assert!(paths.into_iter().all(|path| !path.contains("secret")));
    }
    shop.until_no_images();

    // Through the other door, from the Engine's cache.
    shop.tree.write("README", "more\n");
    shop.tree.commit("again");
    let pushed = shop.tree.push_http(&shop.daemon, &shop.user, "shop");
    assert!(pushed.ok && pushed.transcript.contains("Using cache"), "{}", pushed.transcript);
    assert_eq!(manifest_of(&shop, "job")["layers"], manifest["layers"]);
}

/// The manifest that the newest release has for a process type.
fn manifest_of(shop: &Shop, process_type: &str) -> Value {
    let releases = shop.daemon.get(&shop.user, "/apps/shop/releases");
    let newest = releases.as_array().unwrap().iter().max_by_key(|release| release["version"].as_u64()).unwrap();
    let image = newest["oci_image"]["id"].as_str().expect("the newest release is of an image");
    let images = shop.daemon.get(&shop.user, &format!("/apps/shop/oci-images/{image}"));
    let digest = images[0]["process_types"][process_type]["digest"].as_str().unwrap_or_else(|| panic!("{images}")).to_owned();
    serde_json::from_slice(&blob(shop, &digest)).unwrap()
}

/// A blob as it lies in the daemon's store.
fn blob(shop: &Shop, digest: &str) -> Vec<u8> {
    let hex = digest.trim_start_matches("sha256:");
    std::fs::read(shop.daemon.data_dir().join("blobs/sha256").join(&hex[..2]).join(hex)).unwrap()
}

#[test]
fn buildkit_builds_too() {
    let dockerfile = "FROM BASE\nRUN --mount=type=cache,target=/cache echo built > /served\nCMD cat /served\n";
    let Some(shop) = Shop::with("builder = \"buildkit\"", "build: {docker: {web: Dockerfile}}\n", dockerfile) else { return };
    let pushed = shop.push();
    assert!(pushed.ok, "{}", pushed.transcript);
    assert!(
        pushed.transcript.contains("RUN --mount=type=cache") && pushed.transcript.contains(" DONE "),
        "{}",
        pushed.transcript
    );
    assert_eq!(shop.daemon.client(&shop.user, &["run", "--no-tty", "--app", "shop", "web"]).trim(), "built");

    shop.tree.write("Dockerfile", &format!("FROM {BASE}\nRUN echo so far && exit 7\n"));
    shop.tree.commit("broken");
    let pushed = shop.push();
    assert!(!pushed.ok, "{}", pushed.transcript);
    assert!(pushed.transcript.contains(" !     Push rejected, failed to build the image of web:"), "{}", pushed.transcript);
    assert!(pushed.transcript.contains("so far") && pushed.transcript.contains("exit code: 7"), "{}", pushed.transcript);
    shop.until_no_images();
}

#[test]
fn what_is_wrong_with_an_app_is_said_before_or_where_it_fails() {
    let Some(shop) = Shop::new("build: {docker: {web: Dockerfile}}\n", "FROM BASE\nRUN echo so far && exit 3\n") else { return };
    let rejected = |words: &str| {
        shop.tree.commit("next");
        let pushed = shop.push();
        assert!(!pushed.ok && pushed.transcript.contains(words), "{words}: {}", pushed.transcript);
        assert!(!pushed.transcript.contains("hoist's fault"), "{}", pushed.transcript);
    };
    rejected(
        " !     Push rejected, failed to build the image of web:\nremote:  !     The command '/bin/sh -c echo so far && exit 3' returned a non-zero code: 3",
    );
    shop.tree.write("Dockerfile", "FROM 127.0.0.1:1/none\n");
    rejected(" !     Push rejected, a base image of web can't be pulled:");
    shop.tree.write("Dockerfile", "FORM scratch\n");
    rejected(" !     Push rejected, failed to build the image of web:");
    shop.tree.write("heroku.yml", "build: {docker: {web: app/Dockerfile}}\n");
    rejected(" !     heroku.yml: build.docker.web is app/Dockerfile, and there is no such file in the app.");
    shop.tree.write("heroku.yml", "build: {docker: {web: Dockerfile}}\nruns: {}\n");
    rejected("=!= Your heroku.yml manifest is invalid. Please correct the following issues:");
    std::fs::remove_file(shop.tree.path().join("heroku.yml")).unwrap();
    rejected("=!= Your app does not include a heroku.yml build manifest.");
    assert_eq!(shop.daemon.releases(&shop.user, "shop").len(), 1);
    assert_eq!(shop.builds(), ["failed"; 6]);
    shop.until_no_images();
}

#[test]
fn without_an_engine_nothing_is_built_and_it_is_not_the_pushers_fault() {
    let (daemon, user, tree) = shop("[docker]\nhost = \"unix:///nonexistent/docker.sock\"\n");
    tree.write("heroku.yml", "build: {docker: {web: Dockerfile}}\n");
    tree.write("Dockerfile", "FROM scratch\n");
    tree.commit("first");
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    let words = "Push failed: no Docker Engine answers at /nonexistent/docker.sock";
    assert!(!pushed.ok && pushed.transcript.contains(words), "{}", pushed.transcript);
    assert!(pushed.transcript.contains("HOIST_DOCKER_HOST") && pushed.transcript.contains("hoist's fault, not yours"));
    assert!(!pushed.transcript.contains("=== Building"), "{}", pushed.transcript);
}

#[test]
fn a_build_that_is_cancelled_leaves_nothing_in_the_engine() {
    let Some(shop) = Shop::new("build: {docker: {web: Dockerfile}}\n", "FROM BASE\nRUN echo cancelled-one && sleep 600\n") else {
        return;
    };
    let push = shop.tree.start_push(&shop.daemon, &shop.user, "shop", &["--push-option=cancel-on-disconnect", "main"]);
    until(|| shop.containers("cancelled-one") == 1);
    interrupt(push);
    until(|| shop.containers("cancelled-one") == 0);
    until(|| shop.builds() == ["failed"]);
    shop.until_no_images();
}

#[test]
fn a_build_that_runs_out_of_time_leaves_nothing_in_the_engine() {
    let limits = "[limits]\nbuild_time = \"3s\"";
    let dockerfile = "FROM BASE\nRUN echo late-one && sleep 600\n";
    let Some(shop) = Shop::with(limits, "build: {docker: {web: Dockerfile}}\n", dockerfile) else { return };
    let pushed = shop.push();
    let words = " !     Timed out building the image of web (3 seconds)";
    assert!(!pushed.ok && pushed.transcript.contains(words), "{}", pushed.transcript);
    until(|| shop.containers("late-one") == 0);
    shop.until_no_images();
}

#[test]
fn a_daemon_that_is_killed_leaves_one_outcome_and_nothing_in_the_engine() {
    let yml = "build: {docker: {one: Dockerfile, two: two/Dockerfile}}\n";
    let Some(mut shop) = Shop::new(yml, "FROM BASE\nRUN echo first > /first\n") else { return };
    shop.tree.write("two/Dockerfile", &format!("FROM {BASE}\nRUN echo killed-one && sleep 600\n"));
    shop.tree.commit("two");
    let push = shop.tree.start_push(&shop.daemon, &shop.user, "shop", &["main"]);
    // The first image is there by now, and has a name.
    until(|| shop.containers("killed-one") == 1);
    shop.daemon.kill();
    wait(push);
    until(|| shop.containers("killed-one") == 0);
    shop.daemon.restart();
    assert_eq!(shop.builds(), ["failed"]);
    shop.until_no_images();
    shop.tree.write("two/Dockerfile", &format!("FROM {BASE}\n"));
    shop.tree.commit("mended");
    let pushed = shop.push();
    assert!(pushed.ok, "{}", pushed.transcript);
    shop.daemon.signal(Signal::TERM);
    until(|| shop.daemon.ended().is_some());
}

#[test]
fn a_folder_is_built_as_a_push_is() {
    let Some(shop) = Shop::new("build: {docker: {web: Dockerfile}}\n", "FROM BASE\nCOPY page /page\nCMD cat /page\n") else {
        return;
    };
    shop.tree.write("page", "a page\n");
    let folder = shop.tree.path().to_str().unwrap().to_owned();
    let said = shop.daemon.client(&shop.user, &["builds:create", "--app", "shop", "--source-dir", &folder]);
    assert!(said.contains(" succeeded"), "{said}");
    assert_eq!(shop.daemon.client(&shop.user, &["run", "--no-tty", "--app", "shop", "web"]).trim(), "a page");
}

#[test]
fn an_app_is_made_as_the_manifest_says() {
    let daemon = Daemon::start();
    let user = daemon.user("alice@example.com");
    let tree = WorkTree::new();
    let create = || {
        let mut create = daemon.hoist(&["apps:create", "shop", "--manifest", "--no-remote"]);
        create.current_dir(tree.path()).env("HOIST_URL", format!("http://{}", daemon.http)).env("HOIST_API_KEY", &user.token);
        create.output().unwrap()
    };
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let none = create();
    assert!(!none.status.success() && said(&none).contains("There is no heroku.yml here"), "{}", said(&none));
    tree.write("heroku.yml", "setup: {config: {GREETING: hello, DEBUG: true}}\n");
    let bad = create();
    assert!(said(&bad).contains("heroku.yml is invalid: missing field `build`"), "{}", said(&bad));
    tree.write("heroku.yml", "setup: {config: {GREETING: hello, DEBUG: true}}\nbuild: {docker: {web: Dockerfile}}\n");
    let made = create();
    assert!(made.status.success(), "{}", said(&made));
    assert!(said(&made).contains("Reading heroku.yml manifest... done"), "{}", said(&made));
    assert_eq!(daemon.get(&user, "/apps/shop")["build_stack"]["name"], "container");
    assert_eq!(daemon.get(&user, "/apps/shop/config-vars"), serde_json::json!({"DEBUG": "true", "GREETING": "hello"}));
}
