//! Slugs' releases as images, with those who use them: docker, podman, skopeo, openssl, and hoist's own commands.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use serde_json::Value;
use sha2::Digest as _;
use tempfile::TempDir;

use crate::harness::{Daemon, Docker, User, WorkTree, run, until};

/// Writes below `/app` what the profile has set, and serves it.
const PROCFILE: &str = "web: echo \"$GREETING\" > page.html && exec python3 -m http.server $PORT --bind 127.0.0.1\n";
const SECRET: &str = "a-value-that-no-image-holds";

/// A process that ends by itself when it is asked to.
const WAITING: &str = "python3 -c 'import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); \
                       print(\"waiting\", flush=True); time.sleep(600)'";

/// A daemon with the app `shop`, whose release v3 has a slug.
struct Shop {
    daemon: Daemon,
    user: User,
    dir: TempDir,
}

impl Shop {
    fn new() -> Self {
        let daemon = Daemon::start();
        let user = daemon.user("alice@example.com");
        daemon.client(&user, &["apps:create", "shop"]);
        daemon.client(&user, &["config:set", &format!("SECRET={SECRET}"), "--app", "shop"]);
        let tree = WorkTree::new();
        tree.write("Procfile", PROCFILE);
        tree.write("package-lock.json", r#"{"packages": {"node_modules/express": {"version": "5.0.0"}}}"#);
        tree.write(".profile.d/greeting.sh", "export GREETING=\"hello from $HOME\"\n");
        tree.commit("first");
        daemon.client(&user, &["buildpacks:set", "hoist/procfile", "--app", "shop"]);
        let pushed = tree.push_http(&daemon, &user, "shop");
        assert!(pushed.ok, "{}", pushed.transcript);
        Self { daemon, user, dir: tempfile::tempdir().unwrap() }
    }

    /// What engines call the image of the release that runs.
    fn image(&self) -> String {
        format!("{}/shop/web:current", self.daemon.http)
    }

    fn hoist(&self, args: &[&str]) -> String {
        self.daemon.client(&self.user, &[args, &["--app", "shop"]].concat())
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn skopeo(&self, args: &[&str]) -> String {
        run(Command::new("skopeo").args(args).env("HOME", self.dir.path()))
    }

    /// The image's digest, as skopeo computes it.
    fn digest(&self) -> String {
        let credentials = format!("_:{}", self.user.token);
        let image = format!("docker://{}", self.image());
        let answer = self.skopeo(&["inspect", "--tls-verify=false", "--creds", &credentials, "--format", "{{.Digest}}", &image]);
        answer.trim().to_owned()
    }

    fn podman(&self, args: &[&str]) -> Command {
        let mut podman = Command::new("podman");
        for folder in ["root", "runroot", "tmpdir"] {
            podman.arg(format!("--{folder}")).arg(self.dir.path().join(format!("podman-{folder}")));
        }
        podman.args(["--cgroup-manager", "cgroupfs", "--events-backend", "file"]).args(args);
        podman
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // Its layers are mounts in the test's folder as long as a container runs. Nothing there is no matter.
        let _ = self.podman(&["rm", "--all", "--force", "--time", "0"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// A port that nobody has.
fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

fn page(port: &str) -> String {
    let mut page = None;
    until(|| {
        page = ureq::get(format!("http://127.0.0.1:{port}/page.html")).call().ok();
        page.is_some()
    });
    page.unwrap().body_mut().read_to_string().unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_slugs_release_is_pulled_and_runs_under_docker() {
    let Some(docker) = Docker::get() else { return };
    let shop = Shop::new();
    let (image, port) = (shop.image(), free_port());
    let docker = |args: &[&str]| run(&mut docker.command(args));
    login(&shop, Docker::get().unwrap());
    docker(&["pull", &image]);
    let inspected = json(&docker(&["image", "inspect", &image]));
    let pulled = inspected[0]["RepoDigests"][0].as_str().unwrap().rsplit('@').next().unwrap();
    assert_eq!(pulled, shop.digest(), "the same on both ends");
    assert!(!inspected.to_string().contains(SECRET));
    let labels = &inspected[0]["Config"]["Labels"];
    assert_eq!((&labels["hoist.app"], &labels["hoist.release"]), (&"shop".into(), &"v3".into()));
    assert_eq!(labels["org.opencontainers.image.revision"].as_str().unwrap().len(), 40);

    let setting = format!("PORT={port}");
    let name = docker(&["run", "--detach", "--network", "host", "--env", &setting, &image]);
    assert_eq!(page(&port), "hello from /app\n");
    docker(&["rm", "--force", name.trim()]);
    let other = docker(&["run", "--rm", "--network", "host", &image, "printenv", "GREETING"]);
    assert_eq!(other, "hello from /app\n", "another command in the same environment");

    let name = docker(&["run", "--detach", "--network", "host", &image, WAITING]);
    until(|| docker(&["logs", name.trim()]) == "waiting\n");
    docker(&["stop", "--time", "60", name.trim()]);
    let ended = docker(&["inspect", "--format", "{{.State.ExitCode}}", name.trim()]);
    assert_eq!(ended.trim(), "7", "the engine's signal has reached the process itself");
    docker(&["rm", name.trim()]);
}

#[test]
fn a_slugs_release_runs_under_compose() {
    let Some(docker) = Docker::get() else { return };
    let shop = Shop::new();
    login(&shop, docker);
    std::fs::write(shop.path("compose.yml"), shop.hoist(&["releases:compose", "v3", "--with-config"])).unwrap();
    // The tests' engine has no network, which is no matter of the file's.
    std::fs::write(shop.path("alone.yml"), "services:\n  web:\n    network_mode: none\n").unwrap();
    let compose = |args: &[&str]| {
        let docker = docker.command(&[]);
        let mut compose = Command::new("docker-compose");
        compose.args(["-p", "hoist-slug", "-f", "compose.yml", "-f", "alone.yml"]).args(args).current_dir(shop.dir.path());
        compose.envs(docker.get_envs().filter_map(|(key, value)| Some((key, value?))));
        run(compose.stdin(Stdio::null()).stderr(Stdio::null()))
    };
    compose(&["up", "-d"]);
    let read = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:5000/page.html').read().decode(), end='')";
    let read = format!("for try in 1 2 3 4 5 6 7 8; do python3 -c \"{read}\" 2>/dev/null && exit; sleep 0.25; done; exit 1");
    let page = compose(&["exec", "-T", "web", "sh", "-c", &read]);
    compose(&["down", "-t", "0"]);
    assert_eq!(page, "hello from /app\n");
}

fn login(shop: &Shop, docker: &Docker) {
    let mut login = docker.command(&["login", "--username", "_", "--password-stdin", &shop.daemon.http]);
    let mut login = login.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    login.stdin.take().unwrap().write_all(shop.user.token.as_bytes()).unwrap();
    assert!(login.wait().unwrap().success());
}

#[test]
fn a_slugs_release_is_pulled_and_runs_under_podman() {
    if Docker::get().is_none() {
        return;
    }
    let shop = Shop::new();
    let (image, port) = (shop.image(), free_port());
    let credentials = format!("_:{}", shop.user.token);
    run(&mut shop.podman(&["pull", "--tls-verify=false", "--creds", &credentials, &image]));
    let pulled = run(&mut shop.podman(&["image", "inspect", "--format", "{{.Digest}}", &image]));
    assert_eq!(pulled.trim(), shop.digest(), "the same on both ends");
    // The limits are those of containers, not of podman's caller: who is confined can't raise them.
    let limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"];
    let setting = format!("PORT={port}");
    let start = [&["run", "--detach", "--network", "host", "--env", &setting], &limits[..], &[&image]].concat();
    run(&mut shop.podman(&start));
    assert_eq!(page(&port), "hello from /app\n");
}

#[test]
fn an_export_is_loaded_by_docker_podman_and_skopeo() {
    let Some(docker) = Docker::get() else { return };
    let shop = Shop::new();
    let [oci, archive] = ["oci.tar", "docker.tar"].map(|name| shop.path(name));
    shop.hoist(&["releases:export", "v3", "-o", &oci]);
    shop.hoist(&["releases:export", "v3", "--format", "docker-archive", "-o", &archive]);

    let loaded = run(&mut docker.command(&["load", "--quiet", "--input", &archive]));
    assert_eq!(loaded.trim(), "Loaded image: shop/web:v3");
    let greeting = run(&mut docker.command(&["run", "--rm", "--network", "host", "shop/web:v3", "echo $GREETING"]));
    assert_eq!(greeting, "hello from /app\n");

    let copy = shop.path("copy");
    shop.skopeo(&["copy", "--quiet", &format!("oci-archive:{oci}"), &format!("dir:{copy}")]);
    let manifest = std::fs::read(Path::new(&copy).join("manifest.json")).unwrap();
    assert_eq!(format!("sha256:{}", hex::encode(sha2::Sha256::digest(&manifest))), shop.digest());
    for file in [&oci, &archive] {
        run(&mut shop.podman(&["load", "--quiet", "--input", file]));
    }
    shop.hoist(&["releases:export", "-o", &shop.path("current.tar")]);
}

#[test]
fn a_signature_is_verified_by_openssl_and_by_hoist() {
    let shop = Shop::new();
    let digest = shop.digest();
    let dir = shop.path("signature");
    let credentials = format!("_:{}", shop.user.token);
    let signature = format!("docker://{}/shop/web:{}.sig", shop.daemon.http, digest.replace(':', "-"));
    shop.skopeo(&["copy", "--quiet", "--src-tls-verify=false", "--src-creds", &credentials, &signature, &format!("dir:{dir}")]);
    let manifest = json(&std::fs::read_to_string(Path::new(&dir).join("manifest.json")).unwrap());
    let layer = &manifest["layers"][0];
    let payload = Path::new(&dir).join(layer["digest"].as_str().unwrap().trim_start_matches("sha256:"));
    assert_eq!(json(&std::fs::read_to_string(&payload).unwrap())["critical"]["image"]["docker-manifest-digest"], digest);

    let signature = layer["annotations"]["dev.cosignproject.cosign/signature"].as_str().unwrap();
    let [key, raw] = ["key.pem", "raw.sig"].map(|name| shop.path(name));
    std::fs::write(&raw, base64::prelude::BASE64_STANDARD.decode(signature).unwrap()).unwrap();
    std::fs::write(&key, shop.daemon.client(&shop.user, &["releases:signing-key"])).unwrap();
    let verify = || {
        let mut openssl = Command::new("openssl");
        openssl.args(["dgst", "-sha256", "-verify", &key, "-signature", &raw]).arg(&payload);
        openssl.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    };
    assert!(verify());
    assert_eq!(
        shop.hoist(&["releases:verify-image", "v3", "--key", &key]),
        format!("shop/web@{digest} is signed by this key.\n")
    );
    let changed = std::fs::read_to_string(&payload).unwrap().replace("cosign", "cosigm");
    std::fs::write(&payload, changed).unwrap();
    assert!(!verify(), "of other bytes");
}

#[test]
fn what_is_in_a_release_and_where_it_comes_from_is_printed() {
    let shop = Shop::new();
    let sbom = json(&shop.hoist(&["releases:sbom"]));
    let purls: Vec<_> = sbom["components"].as_array().unwrap().iter().map(|part| part["purl"].as_str().unwrap()).collect();
    assert!(purls.contains(&"pkg:npm/express@5.0.0"), "{purls:?}");
    assert!(purls.iter().any(|purl| purl.starts_with("pkg:deb/debian/python3@")), "of the stack");
    let statement = json(&shop.hoist(&["releases:provenance", "v3"]));
    assert_eq!(format!("sha256:{}", statement["subject"][0]["digest"]["sha256"].as_str().unwrap()), shop.digest());
    assert_eq!(statement["predicate"]["buildDefinition"]["externalParameters"]["release"], "v3");
    assert!(statement["predicate"]["runDetails"]["metadata"]["invocationId"].is_string());
}
