//! The environment that the sandbox keeps in reserve.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hoist::engine::{Engine, Environment, Exit, Kind, Spec};

use super::engine::{settings, sh, spec};
use super::engine_sandbox::{children, network_of};

/// Set in the process that a test has for itself, so that every child is one of its engine's.
const ALONE: &str = "HOIST_TEST_RESERVE";

#[test]
fn what_is_in_reserve_becomes_the_next_environment() {
    alone("what_is_in_reserve_becomes_the_next_environment", async |engine| {
        start(engine).await.stop().await.unwrap();
        let reserve = network_of(&helper());
        let next = start(engine).await;
        assert_eq!(network_inside(&next).await, reserve);
        next.stop().await.unwrap();
        // An environment without network is no use for one.
        let other = engine.start(Spec { network: false, ..spec() }).await.unwrap();
        assert!(!reserve.as_os_str().is_empty() && network_inside(&other).await != reserve);
    });
}

#[test]
fn what_has_died_in_reserve_is_not_used() {
    alone("what_has_died_in_reserve_is_not_used", async |engine| {
        start(engine).await.stop().await.unwrap();
        let reserve = helper();
        let pid = reserve.file_name().unwrap().to_str().unwrap();
        assert!(Command::new("kill").args(["-KILL", pid]).status().unwrap().success());
        while !std::fs::read_to_string(reserve.join("status")).unwrap().contains("State:\tZ") {
            std::thread::yield_now();
        }
        start(engine).await.stop().await.unwrap();
    });
}

/// The only helper there is, once it has a network of its own.
fn helper() -> PathBuf {
    // What has ended is in no network.
    let others = [PathBuf::new(), network_of(Path::new("/proc/self"))];
    loop {
        let mut helpers = children(std::process::id()).filter(|child| !others.contains(&network_of(child)));
        if let Some(helper) = helpers.next() {
            assert_eq!(helpers.next(), None);
            return helper;
        }
        std::thread::yield_now();
    }
}

async fn start(engine: &Engine) -> Environment {
    engine.start(Spec { network: true, ..spec() }).await.unwrap()
}

async fn network_inside(environment: &Environment) -> PathBuf {
    let mut said = Vec::new();
    let exit = environment.run(sh("readlink /proc/self/ns/net"), |_, piece| said.extend_from_slice(piece)).await;
    assert_eq!(exit.unwrap(), Exit::Code(0));
    PathBuf::from(String::from_utf8(said).unwrap().trim())
}

/// Runs a test in a process of its own.
fn alone(test: &str, body: impl AsyncFnOnce(&Engine)) {
    if std::env::var_os(ALONE).is_some() {
        let work_dir = tempfile::tempdir().unwrap();
        return tokio::runtime::Runtime::new().unwrap().block_on(async {
            body(&Engine::open(settings(Kind::Sandbox, work_dir.path())).await.unwrap()).await;
        });
    }
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", &format!("engine_reserve::{test}"), "--nocapture"]).env(ALONE, "").stdin(Stdio::null());
    assert!(process.status().unwrap().success());
}
