//! The real clients: push, pull, mount and delete, by tag and by digest, with the same digests on both ends.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::world::{World, noise};
use crate::harness::{Docker, run};

/// A folder with one file of noise in it.
fn content(seed: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("noise"), noise(300_000, seed)).unwrap();
    dir
}

fn has_failed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success(), "{command:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn login(command: &mut Command, world: &World) {
    let script = "printf %s \"$TOKEN\" | \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "login"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap());
    }
    run(shell.env("TOKEN", &world.user.token));
}

/// The digest of what a tag names.
fn digest_of(world: &World, repository: &str, tag: &str) -> String {
    let path = format!("/v2/{repository}/manifests/{tag}");
    world.ask("HEAD", &path).is(200).header("docker-content-digest").to_owned()
}

#[test]
fn docker_pushes_mounts_and_pulls() {
    let Some(docker) = Docker::get() else { return };
    let world = World::start();
    let config = tempfile::tempdir().unwrap();
    let docker = |args: &[&str]| {
        let mut command = docker.command(args);
        // Logins of its own.
        command.env("DOCKER_CONFIG", config.path());
        command
    };
    let host = &world.daemon.http;
    let [image, other, nobodys] = ["shop/web", "other/web", "none/web"].map(|name| format!("{host}/{name}"));
    let tar = config.path().join("image.tar");
    run(Command::new("tar").arg("-cf").arg(&tar).arg("-C").arg(content(1).path()).arg("."));
    run(&mut docker(&["import", tar.to_str().unwrap(), &image]));

    let refused = has_failed(&mut docker(&["push", &image]));
    assert!(refused.contains("your hoist API token as the password: docker login"), "{refused}");
    login(&mut docker(&["login", "-u", "_", "--password-stdin", host]), &world);
    run(&mut docker(&["push", &image]));
    let digest = digest_of(&world, "shop/web", "latest");
    run(&mut docker(&["tag", &image, &other]));
    let mounted = run(&mut docker(&["push", &other]));
    assert!(mounted.contains("Mounted from shop/web"), "{mounted}");
    assert_eq!(digest_of(&world, "other/web", "latest"), digest);
    run(&mut docker(&["tag", &image, &nobodys]));
    let refused = has_failed(&mut docker(&["push", &nobodys]));
    assert!(refused.contains("denied: requested access to the resource is denied"), "{refused}");

    let id = run(&mut docker(&["image", "inspect", "--format", "{{.Id}}", &image]));
    let by_digest = format!("{image}@{digest}");
    for reference in [&image, &by_digest] {
        run(&mut docker(&["rmi", "--force", id.trim()]));
        run(&mut docker(&["pull", reference]));
        let again = run(&mut docker(&["image", "inspect", "--format", "{{.Id}} {{json .RepoDigests}}", reference]));
        assert!(again.starts_with(id.trim()) && again.contains(&digest), "{again}");
    }
}

#[test]
fn skopeo_copies_inspects_and_deletes() {
    let world = World::start();
    let digest = world.push_image("shop/web", "latest", &noise(300_000, 2));
    let home = tempfile::tempdir().unwrap();
    let credentials = format!("_:{}", world.user.token);
    // A file: no token stands in an argument list.
    let auth = home.path().join("auth.json");
    let skopeo = |args: &[&str]| {
        let mut command = Command::new("skopeo");
        command.args(args).env("HOME", home.path()).env("REGISTRY_AUTH_FILE", &auth);
        command
    };
    let host = &world.daemon.http;
    login(&mut skopeo(&["login", "--tls-verify=false", "-u", "_", "--password-stdin", host]), &world);
    let at = |name: &str| format!("docker://{host}/{name}");
    let dir = format!("dir:{}", home.path().join("copy").display());
    let flags = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    let copy = |from: &str, to: &str| run(&mut skopeo(&[&["copy", "--preserve-digests"], &flags[..], &[from, to]].concat()));
    copy(&at("shop/web:latest"), &dir);
    copy(&dir, &at("other/worker:copied"));
    assert_eq!(digest_of(&world, "other/worker", "copied"), digest);
    copy(&at(&format!("other/worker@{digest}")), &at("other/web:mounted"));
    let told = run(&mut skopeo(&["inspect", "--tls-verify=false", &at("other/web:mounted")]));
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((told["Digest"].as_str(), &told["RepoTags"]), (Some(digest.as_str()), &serde_json::json!(["mounted"])));
    run(&mut skopeo(&["delete", "--tls-verify=false", &at("other/web:mounted")]));
    has_failed(&mut skopeo(&["inspect", "--tls-verify=false", &at("other/web:mounted")]));
    world.ask("GET", &format!("/v2/other/web/manifests/{digest}")).is(404);
    assert!(!format!("{:?}", skopeo(&[])).contains(&credentials));
}

/// One of the daemonless engines, with everything that it keeps in `home`.
fn engine(program: &str, home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    let at = |name: &str| home.join(name).display().to_string();
    command.args(["--root", &at("root"), "--runroot", &at("run"), "--storage-driver", "vfs"]).args(args);
    command.env("HOME", home).env("REGISTRY_AUTH_FILE", home.join("auth.json")).env("XDG_RUNTIME_DIR", home);
    command
}

#[test]
fn buildah_pushes_what_podman_pulls() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: podman and buildah need a login session to serve an ordinary user");
        return;
    }
    let world = World::start();
    let host = &world.daemon.http;
    let home = tempfile::tempdir().unwrap();
    let buildah = |args: &[&str]| run(&mut engine("buildah", home.path(), args));
    let podman = |args: &[&str]| run(&mut engine("podman", home.path(), args));
    let image = format!("{host}/shop/web");
    login(&mut engine("buildah", home.path(), &["login", "--tls-verify=false", "-u", "_", "--password-stdin", host]), &world);
    let container = buildah(&["from", "scratch"]);
    let files = content(3);
    buildah(&["copy", container.trim(), files.path().to_str().unwrap(), "/"]);
    buildah(&["commit", container.trim(), &image]);
    buildah(&["push", "--tls-verify=false", &image]);
    let digest = digest_of(&world, "shop/web", "latest");

    let by_digest = format!("{image}@{digest}");
    for reference in [&image, &by_digest] {
        buildah(&["rmi", "--all", "--force"]);
        podman(&["pull", "--tls-verify=false", reference]);
        let told = podman(&["image", "inspect", "--format", "{{.Digest}}", reference]);
        assert_eq!(told.trim(), digest);
    }
    let other = format!("{host}/other/web:again");
    podman(&["tag", &by_digest, &other]);
    podman(&["push", "--tls-verify=false", &other]);
    world.ask("HEAD", "/v2/other/web/manifests/again").is(200);
}

#[test]
fn an_oras_client_of_pypi_pushes_and_pulls_artifacts() {
    let Some(python) = oras_python() else { return };
    let world = World::start();
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("artifact.txt"), noise(100_000, 4)).unwrap();
    let script = "
import os, sys, oras.client
host, token = sys.argv[1], os.environ['TOKEN']
client = oras.client.OrasClient(hostname=host, insecure=True, auth_backend='basic')
client.auth.set_basic_auth('_', token)
target = host + '/shop/artifacts:v1.0'
client.push(target=target, files=['artifact.txt'], disable_path_validation=True)
os.makedirs('out')
files = client.pull(target=target, outdir='out')
assert open(files[0], 'rb').read() == open('artifact.txt', 'rb').read()
assert client.get_tags(host + '/shop/artifacts') == ['v1.0']
";
    let mut command = Command::new(python);
    command.args(["-c", script, &world.daemon.http]).current_dir(home.path()).env("HOME", home.path());
    run(command.env("TOKEN", &world.user.token));
    let manifest = world.ask("GET", "/v2/shop/artifacts/manifests/v1.0").is(200).json();
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
}

/// The Python that has oras; `None`, with the reason printed, where pip can't be used (see `scripts/install-oras`).
fn oras_python() -> Option<std::path::PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".hoist/oras").into();
    let folder = std::path::PathBuf::from(std::env::var_os("HOIST_ORAS_DIR").unwrap_or_else(default));
    if let Ok(reason) = std::fs::read_to_string(folder.join("skipped")) {
        eprintln!("skipped: {}", reason.trim());
        return None;
    }
    let python = folder.join("bin/python");
    assert!(python.exists(), "oras is not in {}: run the tests with `make test`", folder.display());
    Some(python)
}
