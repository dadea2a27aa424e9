//! Waiting for CI: what the forge says of a commit decides whether, and when, it is built.

use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};

use super::site::{Site, Wanted};
use crate::harness::{Ci, until};

const WAIT: &[&str] = &["--wait-for-ci"];

/// What the API of a provider answers of statuses, each a name and a state in the provider's words; in pages.
fn ci(provider: &str, pages: &[&[(&str, &str)]]) -> Ci {
    let page = |statuses: &&[(&str, &str)]| {
        let one = |(name, state): &(&str, &str)| match provider {
            "gitlab" => json!({ "name": name, "status": state }),
            "github" => json!({ "context": name, "state": state }),
            _ => json!({ "context": name, "status": state }),
        };
        let all: Value = statuses.iter().map(one).collect();
        if provider == "gitlab" { all } else { json!({ "statuses": all }) }
    };
    let mut statuses: Vec<Value> = pages.iter().map(page).collect();
    // Behind the last page there is an empty one.
    statuses.push(page(&&[][..]));
    Ci { statuses, check_runs: vec![json!({ "check_runs": [] })], ..Ci::default() }
}

/// GitHub's check runs, by their conclusions; in pages.
fn runs(pages: &[&[Option<&str>]]) -> Vec<Value> {
    let run = |conclusion: Option<&str>| json!({ "name": "test", "conclusion": conclusion });
    pages.iter().map(|page| json!({ "check_runs": page.iter().copied().map(run).collect::<Vec<_>>() })).collect()
}

/// Tells that the commit's CI has changed, and waits until it was looked at.
fn change(site: &Site, id: &str, commit: &str, ci: Ci) {
    let before = site.asked_for_of(commit)["updated_at"].clone();
    site.set_ci(commit, ci);
    // The times are of seconds: a second delivery is as good as a first one.
    let mut tries = 0;
    until(|| {
        tries += 1;
        site.tell_ci(&format!("{id} {tries}"), commit);
        let now = site.asked_for_of(commit);
        now["state"] == "done" || now["updated_at"] != before
    });
}

#[test]
fn a_commit_is_built_once_when_its_ci_has_ended_well() {
    for (provider, pending, green) in [
        ("github", "pending", "success"),
        ("gitlab", "running", "success"),
        ("gitea", "pending", "success"),
        ("forgejo", "pending", "warning"),
    ] {
        let site = Site::new(&Wanted { provider, more: WAIT, ..Wanted::default() });
        let (before, after) = site.publish("second");
        site.set_ci(&after, ci(provider, &[&[("test", green), ("lint", pending)]]));
        site.tell_push("1", &before, &after);
        site.until_reason(&after, "CI has not ended");
        assert_eq!(site.statuses(), [""; 0], "{provider}");
        site.set_ci(&after, ci(provider, &[&[("test", green), ("lint", green)]]));
        // Each of them says so when it ends, and the last one twice.
        for id in ["2", "3", "3"] {
            site.tell_ci(id, &after);
        }
        until(|| site.deploys().len() == 1);
        site.tell_ci("4", &after);
        site.tell_push("1", &before, &after);
        assert_eq!((site.statuses(), site.deploys()), (vec!["succeeded".to_owned()], vec![format!("Deploy {}", &after[..8])]));
        assert_eq!(site.asked_for_of(&after)["build"]["id"], site.builds_of(&after)[0]["id"], "{provider}");
    }
}

#[test]
fn a_commit_whose_ci_has_failed_is_not_built_until_it_has_been_mended() {
    for (provider, red) in [("github", "failure"), ("gitlab", "failed"), ("gitea", "error"), ("forgejo", "failure")] {
        let site = Site::new(&Wanted { provider, more: WAIT, ..Wanted::default() });
        let (before, after) = site.publish("second");
        site.set_ci(&after, ci(provider, &[&[("test", red), ("lint", "success")]]));
        site.tell_push("1", &before, &after);
        site.until_reason(&after, "CI has failed");
        let listed = site.daemon.client(&site.user, &["github:deploys", "--app", "shop"]);
        assert!(listed.contains("waiting_for_ci") && listed.contains("CI has failed"), "{provider}: {listed}");
        assert_eq!((site.statuses().len(), site.deploys().len()), (0, 0), "{provider}");
        // It was run again.
        site.set_ci(&after, ci(provider, &[&[("test", "success"), ("lint", "success")]]));
        site.tell_ci("2", &after);
        until(|| site.deploys().len() == 1);
        assert_eq!(site.statuses(), ["succeeded"], "{provider}");
    }
}

#[test]
fn statuses_and_check_runs_of_all_pages_must_be_green() {
    let site = Site::new(&Wanted { provider: "github", more: WAIT, ..Wanted::default() });
    let (before, after) = site.publish("second");
    let (green, many) = ([("test", "success")], [("test", "success"); 100]);
    let (passed, hundred) = ([Some("success")], [Some("success"); 100]);
    let both = |statuses: &[&[(&str, &str)]], check_runs: &[&[Option<&str>]]| Ci {
        check_runs: runs(check_runs),
        ..ci("github", statuses)
    };
    site.set_ci(&after, both(&[&green], &[&[None]]));
    site.tell_push("1", &before, &after);
    site.until_reason(&after, "CI has not ended");
    change(&site, "2", &after, both(&[&[("test", "pending")]], &[&passed]));
    change(&site, "3", &after, both(&[&green], &[&hundred, &[None]]));
    change(&site, "4", &after, both(&[&many, &[("lint", "pending")]], &[&hundred, &passed]));
    change(&site, "5", &after, both(&[&many, &green], &[&hundred, &[Some("cancelled")]]));
    site.until_reason(&after, "CI has failed");
    assert_eq!(site.statuses(), [""; 0]);
    change(&site, "6", &after, both(&[&many, &green], &[&hundred, &passed]));
    until(|| site.deploys().len() == 1);
    assert_eq!(site.statuses(), ["succeeded"]);
}

#[test]
fn ci_that_never_says_anything_is_given_up_after_a_day() {
    let mut site = Site::new(&Wanted { provider: "github", more: WAIT, ..Wanted::default() });
    let (before, after) = site.publish("second");
    site.set_ci(&after, Ci { statuses: vec![json!({ "statuses": [] })], check_runs: runs(&[&[]]), ..Ci::default() });
    site.tell_push("1", &before, &after);
    site.until_reason(&after, "CI has not ended, or has not begun");
    assert_eq!(site.asked_for_of(&after)["state"], "waiting_for_ci");
    // A day later.
    site.daemon.kill();
    let database = site.daemon.data_dir().join("hoist.db");
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut db = SqliteConnection::connect(&format!("sqlite://{}", database.display())).await.unwrap();
        let sql = "UPDATE triggers SET created_at = created_at - 86400000, next_attempt_at = next_attempt_at - 86400000";
        sqlx::query(sql).execute(&mut db).await.unwrap();
        db.close().await.unwrap();
    });
    site.daemon.restart();
    until(|| site.asked_for_of(&after)["state"] == "done");
    let deploy = site.asked_for_of(&after);
    assert_eq!((&deploy["build"], &deploy["reason"]), (&Value::Null, &json!("CI has not ended, or has not begun")));
    assert_eq!(site.statuses(), [""; 0]);
}

#[test]
fn a_newer_commit_overtakes_one_that_waits() {
    for provider in ["github", "gitlab", "gitea"] {
        let site = Site::new(&Wanted { provider, more: WAIT, ..Wanted::default() });
        let (base, first) = site.publish("second");
        let (_, second) = site.publish("third");
        for commit in [&first, &second] {
            site.set_ci(commit, ci(provider, &[&[("test", "pending")]]));
        }
        site.tell_push("1", &base, &first);
        site.tell_push("2", &first, &second);
        site.until_reason(&first, "CI has not ended");
        site.until_reason(&second, "CI has not ended");
        site.set_ci(&second, ci(provider, &[&[("test", "success")]]));
        site.tell_ci("3", &second);
        until(|| site.deploys().len() == 1);
        let overtaken = site.asked_for_of(&first);
        assert_eq!((&overtaken["state"], &overtaken["reason"]), (&json!("done"), &json!("a later deploy of the app came first")));
        // Its CI ends well, too late.
        site.set_ci(&first, ci(provider, &[&[("test", "success")]]));
        site.tell_ci("4", &first);
        assert_eq!(
            (site.deploys(), site.builds_of(&first)),
            (vec![format!("Deploy {}", &second[..8])], Vec::new()),
            "{provider}"
        );
    }
}

#[test]
fn an_older_commit_that_is_green_first_is_built_first() {
    let site = Site::new(&Wanted { provider: "gitea", more: WAIT, ..Wanted::default() });
    let (base, first) = site.publish("second");
    let (_, second) = site.publish("third");
    site.set_ci(&first, ci("gitea", &[&[("test", "success")]]));
    site.set_ci(&second, ci("gitea", &[&[("test", "pending")]]));
    site.tell_push("1", &base, &first);
    site.tell_push("2", &first, &second);
    until(|| site.deploys().len() == 1);
    site.until_reason(&second, "CI has not ended");
    site.set_ci(&second, ci("gitea", &[&[("test", "success")]]));
    site.tell_ci("3", &second);
    until(|| site.deploys().len() == 2);
    assert_eq!(site.deploys(), [first, second].map(|commit| format!("Deploy {}", &commit[..8])));
}

#[test]
fn what_can_not_be_asked_is_waited_for() {
    let site = Site::new(&Wanted { provider: "github", more: WAIT, ..Wanted::default() });
    let (before, after) = site.publish("second");
    // The token may not read checks.
    site.api.limit(403, &[]);
    site.set_ci(&after, Ci { check_runs: runs(&[&[Some("success")]]), ..ci("github", &[&[]]) });
    site.tell_push("1", &before, &after);
    site.until_reason(&after, "the state of CI can't be asked for");
    site.tell_ci("2", &after);
    until(|| site.deploys().len() == 1);
}

#[test]
fn a_check_suite_that_has_begun_must_have_ended() {
    let site = Site::new(&Wanted { provider: "github", more: WAIT, ..Wanted::default() });
    let (before, after) = site.publish("second");
    let with = |conclusion: Option<&str>| {
        // The second is of an App that checks nothing.
        let suites = vec![json!({ "conclusion": conclusion, "latest_check_runs_count": 1 }), json!({ "conclusion": null })];
        Ci { check_runs: runs(&[&[Some("success")]]), check_suites: suites, ..ci("github", &[&[]]) }
    };
    // Its first job has passed; the second one needs that, and has no run yet.
    site.set_ci(&after, with(None));
    site.tell_push("1", &before, &after);
    site.until_reason(&after, "CI has not ended");
    assert_eq!(site.statuses(), [""; 0]);
    change(&site, "2", &after, with(Some("success")));
    until(|| site.deploys().len() == 1);
}

#[test]
fn what_was_changed_meanwhile_counts() {
    let site = Site::new(&Wanted { provider: "gitea", more: WAIT, ..Wanted::default() });
    let update = |args: &[&str]| site.daemon.client(&site.user, &[&["github:update", "--app", "shop"], args].concat());
    let wait = |name: &str| {
        let (before, after) = site.publish(name);
        site.set_ci(&after, ci("gitea", &[&[("test", "pending")]]));
        site.tell_push(name, &before, &after);
        site.until_reason(&after, "CI has not ended");
        after
    };
    let one = wait("one");
    update(&["--auto-deploy=false"]);
    change(&site, "1", &one, ci("gitea", &[&[("test", "success")]]));
    assert_eq!(site.asked_for_of(&one)["reason"], "pushes are not deployed any more");
    update(&["--auto-deploy=true"]);
    let two = wait("two");
    update(&["--branch", "next"]);
    change(&site, "2", &two, ci("gitea", &[&[("test", "success")]]));
    assert_eq!(site.asked_for_of(&two)["reason"], "another branch is deployed now");
    assert_eq!((site.statuses().len(), site.deploys().len()), (0, 0));
}

#[test]
fn who_was_let_go_deploys_nothing_any_more() {
    let mut site = Site::new(&Wanted { provider: "gitea", more: WAIT, ..Wanted::default() });
    let bob = site.daemon.user("bob@example.com");
    site.daemon.client(&site.user, &["access:add", "bob@example.com", "--app", "shop"]);
    // From now on in his name.
    site.daemon.client(&bob, &["github:update", "--app", "shop", "--wait-for-ci=true"]);
    let (before, after) = site.publish("second");
    site.set_ci(&after, ci("gitea", &[&[("test", "pending")]]));
    site.tell_push("1", &before, &after);
    site.until_reason(&after, "CI has not ended");
    site.daemon.client(&site.user, &["access:remove", "bob@example.com", "--app", "shop"]);
    // Whatever was to be done is taken up by a start, too.
    site.daemon.kill_and_restart();
    change(&site, "2", &after, ci("gitea", &[&[("test", "success")]]));
    assert_eq!(site.asked_for_of(&after)["reason"], "in whose name it was asked for may not deploy the app any more");
    assert_eq!((site.statuses().len(), site.deploys().len()), (0, 0));
}
