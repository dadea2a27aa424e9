//! `kill -9` of the daemon at every step between what a forge delivers and the last that it is told: after the next start the
//! commit is built to its end once, released once, and the forge has heard so. A build that was cut off has failed, and is
//! followed by another.

use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;

use hoist::db::{self, Db};
use hoist::model::BuildStatus;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::site::{Site, Wanted, Way};
use crate::harness::{Ci, Moment, until};

/// What a daemon that is killed leaves of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Its build was not accepted yet, or is released: the one build there is comes, or has come.
    Whole,
    /// Its build ran, and was cut off.
    CutOff,
}

/// A daemon that deploys, as a GitHub App, what has passed its CI: so there is as much to be asked as there can be.
fn site(pack: &'static str) -> Site {
    Site::new(&Wanted { provider: "github", pack, way: Way::App, more: &["--wait-for-ci"] })
}

/// The next push, whose CI is green; returns the commits before and after.
fn publish(site: &Site, name: &str) -> (String, String) {
    let (before, after) = site.publish(name);
    let statuses = vec![json!({ "statuses": [{ "context": "test", "state": "success" }] })];
    site.set_ci(&after, Ci { statuses, check_runs: vec![json!({ "check_runs": [] })], ..Ci::default() });
    (before, after)
}

#[test]
fn killed_when_it_has_asked() {
    walk(Moment::Asked);
}

#[test]
fn killed_before_it_is_answered() {
    walk(Moment::Done);
}

/// Kills the daemon at the first question that it asks outside on a push's way, at the first of another kind on the next push's,
/// and so on, until a push's way has none that is new.
fn walk(moment: Moment) {
    let (mut site, mut questions) = (site("null"), Vec::new());
    loop {
        let name = format!("round {}", questions.len());
        let (before, after) = publish(&site, &name);
        site.stop.at_next(moment);
        site.tell_push(&name, &before, &after);
        until(|| site.stop.reached().is_some() || is_over(&site, &after));
        let Some(question) = site.stop.reached() else { break };
        site.daemon.kill();
        site.stop.nowhere();
        let left = left_of(&site, &after);
        site.daemon.restart();
        // The forge can't know what became of it.
        site.tell_push(&name, &before, &after);
        until(|| is_over(&site, &after));
        check(&site, &after, left, &question);
        questions.push(question);
        // One that has the App's token at hand asks less.
        site.daemon.kill_and_restart();
    }
    eprintln!("killed at {moment:?}: {questions:#?}");
    for kind in [
        "/installation",
        "/access_tokens",
        "/status?",
        "/check-runs?",
        "/check-suites?",
        "GET /octo/shop.git/info/refs",
        "POST /octo/shop.git/git-upload-pack",
        "/statuses/COMMIT pending",
        "/statuses/COMMIT success",
        "/deployments?",
        "/deployments shop",
        "/deployments/N/statuses in_progress",
        "/deployments/N/statuses success",
    ] {
        assert!(questions.iter().any(|question| question.contains(kind)), "{kind} is not among them");
    }
}

#[test]
fn killed_while_it_builds_and_releases() {
    let mut site = site("noisy");
    for line in ["Fetching", "Building on", "app detected", "Making noise", "Compressing", "Launching", "Released"] {
        let (before, after) = publish(&site, line);
        site.tell_push(line, &before, &after);
        until(|| !site.builds_of(&after).is_empty());
        let mut output = output_of(&site.builds_of(&after)[0]).lines();
        assert!(output.any(|read| read.is_ok_and(|read| read.contains(line))), "the build never says {line}");
        site.daemon.kill();
        let left = left_of(&site, &after);
        site.daemon.restart();
        until(|| is_over(&site, &after));
        check(&site, &after, left, line);
    }
}

#[test]
fn killed_while_the_release_command_runs() {
    let mut site = site("null");
    site.tree.write("Procfile", "release: sleep 30\n");
    let (before, after) = publish(&site, "sleeps");
    site.tell_push("1", &before, &after);
    let release = |site: &Site| {
        let releases = site.daemon.get(&site.user, "/apps/shop/releases");
        let of_it = |release: &&Value| release["description"] == format!("Deploy {}", &after[..8]);
        releases.as_array().unwrap().iter().find(of_it).cloned().unwrap_or_default()
    };
    until(|| release(&site)["status"] == "pending");
    site.daemon.kill_and_restart();
    until(|| is_over(&site, &after));
    assert_eq!((&release(&site)["status"], site.deploys().len()), (&json!("failed"), 1));
    assert_eq!(site.builds_of(&after)[0]["status"], "succeeded", "it was built; what it was built for did not work");
    assert_eq!((told(&site, &after).last().unwrap().1.as_str(), site.builds_of(&after).len()), ("failure", 1));
}

#[test]
fn killed_while_it_is_told_and_just_after() {
    let mut site = site("null");
    // In the middle of a delivery.
    let (before, after) = publish(&site, "half");
    let body = json!({ "ref": "refs/heads/main", "before": before, "after": after, "repository": { "full_name": "octo/shop" } });
    let body = body.to_string();
    let headers = site.headers("1", "push", &body).map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    let mut half = TcpStream::connect(&site.daemon.http).unwrap();
    let (length, middle) = (body.len(), body.len() / 2);
    write!(half, "POST /github/webhook HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n{headers}\r\n{}", &body[..middle])
        .unwrap();
    site.daemon.kill_and_restart();
    assert_eq!(site.asked_for(), [] as [Value; 0]);
    site.tell_push("1", &before, &after);
    // As soon as it has been answered.
    let mut pushes = vec![after];
    for name in ["one", "two", "three"] {
        let (before, after) = publish(&site, name);
        site.tell_push(name, &before, &after);
        site.daemon.kill_and_restart();
        pushes.push(after);
    }
    let newest = pushes.last().unwrap();
    until(|| is_over(&site, newest));
    until(|| pushes.iter().all(|after| site.asked_for_of(after)["state"] == "done"));
    for after in &pushes {
        // One that had not ended when a later one was accepted is not built any more: that is its end.
        let succeeded = site.builds_of(after).iter().filter(|build| build["status"] == "succeeded").count();
        assert_eq!(site.deploys().iter().filter(|what| what.ends_with(&after[..8])).count(), succeeded);
        assert!(succeeded == 1 || (succeeded == 0 && after != newest), "{succeeded} builds of {after}");
    }
    assert!(site.deploys().last().unwrap().ends_with(&newest[..8]));
}

/// A site whose builds wait until a file is there.
fn gated() -> (Site, PathBuf) {
    let site = site("gated");
    let gate = site.daemon.data_dir().join("gate");
    site.daemon.client(&site.user, &["config:set", &format!("GATE={}", gate.display()), "--app", "shop"]);
    (site, gate)
}

#[test]
fn stopped_by_its_owner_while_it_builds() {
    let (mut site, gate) = gated();
    let (before, after) = publish(&site, "stopped");
    site.tell_push("1", &before, &after);
    until(|| site.builds_of(&after).len() == 1);
    // Twice: it waits for no build then.
    site.daemon.signal(Signal::TERM);
    site.daemon.signal(Signal::TERM);
    until(|| site.daemon.ended().is_some());
    std::fs::write(gate, "").unwrap();
    site.daemon.restart();
    until(|| is_over(&site, &after));
    check(&site, &after, Left::CutOff, "TERM");
}

#[test]
fn what_is_cut_off_again_and_again_is_given_up() {
    let (mut site, _gate) = gated();
    let (before, after) = publish(&site, "ill-fated");
    site.tell_push("1", &before, &after);
    for builds in 1..=4 {
        until(|| site.builds_of(&after).len() == builds);
        site.daemon.kill_and_restart();
    }
    until(|| is_over(&site, &after));
    assert_eq!(site.statuses(), ["failed"; 4]);
    assert_eq!(site.asked_for_of(&after)["state"], "done");
    assert_eq!(told(&site, &after).last().unwrap().1, "failure");
}

/// What a build puts out, from its beginning.
fn output_of(build: &Value) -> impl BufRead + use<> {
    let answer = ureq::get(build["output_stream_url"].as_str().unwrap()).call().unwrap();
    BufReader::new(answer.into_body().into_reader())
}

/// The build in which the push of a commit has ended.
fn last_build(site: &Site, commit: &str) -> Option<Value> {
    let id = site.asked_for_of(commit)["build"]["id"].clone();
    site.builds_of(commit).into_iter().find(|build| build["id"] == id)
}

/// Whether that build has ended, and the forge has heard how.
fn is_over(site: &Site, commit: &str) -> bool {
    let Some(build) = last_build(site, commit).filter(|build| build["status"] != "pending") else { return false };
    let has_ended = |state: &str| state != "pending" && state != "in_progress";
    let of_it = |link: &str| link.ends_with(build["id"].as_str().unwrap());
    told(site, commit).last().is_some_and(|(link, state)| of_it(link) && has_ended(state))
        && deployment_states(site, &build).last().is_some_and(|state| has_ended(state))
}

/// The states that a commit was given, in their order, each with the link to its build.
fn told(site: &Site, commit: &str) -> Vec<(String, String)> {
    let kept = site.api.kept.state.lock().unwrap();
    let of_it = kept.set_statuses.iter().filter(|(of, status)| of == commit && status["context"] == "hoist/shop");
    of_it.map(|(_, status)| ["target_url", "state"].map(|field| status[field].as_str().unwrap().to_owned()).into()).collect()
}

/// The same of a build's deployment, of which there is one at most.
fn deployment_states(site: &Site, build: &Value) -> Vec<String> {
    let kept = site.api.kept.state.lock().unwrap();
    let of_it = kept.deployments.iter().filter(|deployment| deployment["payload"]["hoist_build"] == build["id"]);
    let ids: Vec<_> = of_it.map(|deployment| deployment["id"].as_u64().unwrap()).collect();
    assert!(ids.len() < 2, "{ids:?} are all of {build}");
    kept.deployment_statuses.iter().filter(|(id, _)| ids.contains(id)).map(|(_, state)| state.clone()).collect()
}

/// How far the commit had come when the daemon died.
fn left_of(site: &Site, commit: &str) -> Left {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let db = Db::open(site.daemon.data_dir()).await.unwrap();
        let mut read = db.read().await.unwrap();
        let app = db::apps::by_name(&mut read, &"shop".parse().unwrap()).await.unwrap().unwrap();
        let builds = db::builds::list(&mut read, app.id, 1000).await.unwrap();
        let of_it = |build: &&db::builds::Build| build.commit.as_ref().is_some_and(|of| of.as_str() == commit);
        let status = builds.iter().find(of_it).map(|build| build.status);
        drop(read);
        db.close().await;
        assert!(matches!(status, None | Some(BuildStatus::Pending | BuildStatus::Succeeded)), "{status:?}");
        if status == Some(BuildStatus::Pending) { Left::CutOff } else { Left::Whole }
    })
}

/// One build that has succeeded, after one that was cut off, if one was; one release; each build told from its beginning to its
/// end.
fn check(site: &Site, commit: &str, left: Left, killed_at: &str) {
    let builds = site.builds_of(commit);
    let mut statuses: Vec<_> = builds.iter().map(|build| build["status"].as_str().unwrap()).collect();
    statuses.sort_unstable();
    let expected: &[_] = if left == Left::CutOff { &["failed", "succeeded"] } else { &["succeeded"] };
    assert_eq!(statuses, expected, "killed at {killed_at}");
    let deploy = format!("Deploy {}", &commit[..8]);
    assert_eq!(site.deploys().iter().filter(|what| **what == deploy).count(), 1, "killed at {killed_at}");
    assert_eq!(last_build(site, commit).unwrap()["status"], "succeeded", "killed at {killed_at}");
    assert_eq!(site.asked_for_of(commit)["state"], "done", "killed at {killed_at}");
    for build in &builds {
        let state = if build["status"] == "succeeded" { "success" } else { "failure" };
        let told: Vec<_> =
            told(site, commit).into_iter().filter(|(link, _)| link.ends_with(build["id"].as_str().unwrap())).collect();
        assert_eq!([&told[0].1, &told.last().unwrap().1], ["pending", state], "killed at {killed_at}");
        let deployed = deployment_states(site, build);
        assert_eq!([&deployed[0], deployed.last().unwrap()], ["in_progress", state], "killed at {killed_at}");
    }
}
