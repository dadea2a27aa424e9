//! Apps that follow another one: one push, several apps.

use crate::harness::{Daemon, User, WorkTree, until, until_log, wait};
use crate::monorepos::{command_of, create, monorepo};

/// `shop`, made of apps/web, and `site`, made of apps/website, which follows it.
fn two_apps() -> (Daemon, User, WorkTree) {
    let (daemon, user, tree) = monorepo();
    create(&daemon, &user, "site");
    daemon.client(&user, &["apps:root", "apps/web", "--app", "shop"]);
    daemon.client(&user, &["apps:root", "apps/website", "--app", "site"]);
    daemon.client(&user, &["apps:follow", "shop", "--app", "site"]);
    (daemon, user, tree)
}

/// What the client says that fails.
fn refused(daemon: &Daemon, user: &User, args: &[&str]) -> String {
    let mut command = daemon.hoist(args);
    command.env("HOIST_URL", format!("http://{}", daemon.http)).env("HOIST_API_KEY", &user.token);
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{args:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn deploys(daemon: &Daemon, user: &User, app: &str) -> usize {
    daemon.releases(user, app).iter().filter(|(_, what)| what.starts_with("Deploy")).count()
}

/// The outcomes of an app's builds.
fn builds(daemon: &Daemon, user: &User, app: &str) -> String {
    let builds = daemon.get(user, &format!("/apps/{app}/builds"));
    let mut all: Vec<_> = builds.as_array().unwrap().iter().map(|build| build["status"].as_str().unwrap()).collect();
    all.sort_unstable();
    all.join(" ")
}

#[test]
fn one_push_deploys_two_apps() {
    let (daemon, user, tree) = two_apps();
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert!(pushed.ok, "{}", pushed.transcript);
    let (shops, sites) = pushed.transcript.split_once("remote: -----> Building site, which follows shop\n").unwrap();
    assert!(shops.contains("Using the folder apps/web of") && shops.contains("Verifying deploy... done."), "{shops}");
    assert!(sites.contains("Using the folder apps/website of") && sites.contains("site deployed to hoist"), "{sites}");
    assert!(!sites.contains(" !  "), "{sites}");
    assert_eq!(command_of(&daemon, &user, "shop"), "serve apps/web");
    assert_eq!(command_of(&daemon, &user, "site"), "serve apps/website");
    let head = tree.git(&["rev-parse", "HEAD"]);
    assert_eq!(daemon.newest_slug(&user, "site")["commit"], head.trim());
    assert_eq!(daemon.get(&user, "/apps/site")["follows"], "shop");
    assert!(daemon.client(&user, &["apps:info", "--app", "site"]).contains("Follows:        shop\n"));

    // Its own repository is as it was: empty. A push to it deploys it alone.
    tree.commit("second");
    let own = tree.push_http(&daemon, &user, "site");
    assert!(own.ok && own.transcript.contains("[new branch]      main -> main"), "{}", own.transcript);
    assert_eq!((deploys(&daemon, &user, "shop"), deploys(&daemon, &user, "site")), (1, 2));
    assert!(tree.push_http(&daemon, &user, "shop").ok);
    assert_eq!((deploys(&daemon, &user, "shop"), deploys(&daemon, &user, "site")), (2, 3));
    // A branch that deploys nothing deploys nothing anywhere.
    tree.git(&["branch", "other"]);
    assert!(tree.push(&daemon, &user, "shop", &["other"]).ok);
    daemon.client(&user, &["apps:unfollow", "--app", "site"]);
    tree.commit("third");
    assert!(tree.push_ssh(&daemon, &user, "shop").ok);
    assert_eq!((deploys(&daemon, &user, "shop"), deploys(&daemon, &user, "site")), (3, 3));
}

#[test]
fn a_follower_that_fails_fails_alone() {
    let (daemon, user, tree) = two_apps();
    create(&daemon, &user, "gone");
    daemon.client(&user, &["apps:root", "apps/gone", "--app", "gone"]);
    daemon.client(&user, &["apps:follow", "shop", "--app", "gone"]);
    tree.write_program("apps/website/pack/bin/compile", "#!/bin/sh\necho 'it is broken'; exit 1\n");
    tree.commit("broken");
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert!(pushed.ok, "{}", pushed.transcript);
    for said in [
        "remote:  !     gone, which follows shop, is not built: the source can't be exported: there is no folder apps/gone",
        "remote: it is broken\n",
        "remote:  !     Push rejected, failed to compile Folder app.\n",
        "remote:  !     site is not deployed. The push to shop is accepted all the same.\n",
    ] {
        assert!(pushed.transcript.contains(said), "{said}: {}", pushed.transcript);
    }
    assert_eq!((deploys(&daemon, &user, "shop"), deploys(&daemon, &user, "site")), (1, 0));
    assert_eq!(builds(&daemon, &user, "site"), "failed");

    // A push that is refused builds nothing else.
    tree.write_program("apps/web/pack/bin/compile", "#!/bin/sh\nexit 1\n");
    tree.commit("worse");
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    assert!(!pushed.ok && !pushed.transcript.contains("site"), "{}", pushed.transcript);
    assert_eq!(builds(&daemon, &user, "site"), "failed");
}

#[test]
fn an_unchanged_follower_says_so() {
    let (daemon, user, tree) = two_apps();
    daemon.client(&user, &["apps:skip-unchanged", "--app", "site"]);
    assert!(tree.push_ssh(&daemon, &user, "shop").ok);
    tree.write("apps/web/new", "");
    tree.commit("only the one");
    let pushed = tree.push_ssh(&daemon, &user, "shop");
    let said = "remote: -----> Building site, which follows shop\n\
                remote: -----> Nothing in apps/website has changed since v2: its slug is released again, without a build\n";
    assert!(pushed.ok && pushed.transcript.contains(said), "{}", pushed.transcript);
    assert_eq!(daemon.newest_slug(&user, "site")["commit"], tree.git(&["rev-parse", "HEAD"]).trim());
}

#[test]
fn who_may_not_deploy_it_does_not() {
    let (daemon, user, tree) = two_apps();
    let bob = daemon.user("bob@example.com");
    daemon.client(&user, &["access:add", "bob@example.com", "-p", "deploy", "--app", "shop"]);
    let pushed = tree.push_ssh(&daemon, &bob, "shop");
    let said = "remote:  !     An app that follows shop is not built: you may not deploy it.\n";
    assert!(pushed.ok && pushed.transcript.contains(said) && !pushed.transcript.contains("site"), "{}", pushed.transcript);

    daemon.client(&user, &["access:add", "bob@example.com", "-p", "view", "--app", "site"]);
    tree.commit("second");
    let pushed = tree.push_ssh(&daemon, &bob, "shop");
    let said = "remote:  !     site, which follows shop, is not built: You need the deploy permission in site for this";
    assert!(pushed.ok && pushed.transcript.contains(said), "{}", pushed.transcript);
    assert_eq!(builds(&daemon, &user, "site"), "");

    // Nor does anybody's code go where its owner does not want it.
    daemon.client(&bob, &["apps:create", "bobs"]);
    let said = refused(&daemon, &bob, &["apps:follow", "shop", "--app", "bobs"]);
    assert!(said.contains("You need the manage permission in shop"), "{said}");
}

#[test]
fn nothing_follows_in_circles() {
    let (daemon, user, _) = two_apps();
    create(&daemon, &user, "third");
    for (app, followed, why) in [
        ("shop", "shop", "shop can't follow itself."),
        ("shop", "third", "Other apps follow shop, so it can't follow one. Let them follow third instead."),
        ("shop", "site", "site follows shop, so it can't be followed."),
        ("third", "site", "site follows shop, so it can't be followed. Follow shop instead."),
    ] {
        let said = refused(&daemon, &user, &["apps:follow", followed, "--app", app]);
        assert!(said.contains(why), "{said}");
    }
    daemon.client(&user, &["apps:rename", "market", "--app", "shop"]);
    assert_eq!(daemon.get(&user, "/apps/site")["follows"], "market");
    daemon.client(&user, &["apps:destroy", "--app", "market", "--confirm", "market"]);
    assert_eq!(daemon.get(&user, "/apps/site").get("follows"), None);
    daemon.client(&user, &["apps:follow", "site", "--app", "third"]);
}

#[test]
fn a_strict_push_is_built_for_others_once_its_command_has_succeeded() {
    let (daemon, user, tree) = two_apps();
    tree.write("apps/web/Procfile", "web: serve\nrelease: false\n");
    tree.commit("it fails");
    let pushed = tree.push(&daemon, &user, "shop", &["-ostrict", "main"]);
    assert!(!pushed.ok && !pushed.transcript.contains("site"), "{}", pushed.transcript);
    tree.write("apps/web/Procfile", "web: serve\nrelease: true\n");
    tree.commit("it succeeds");
    let pushed = tree.push(&daemon, &user, "shop", &["-ostrict", "main"]);
    assert!(pushed.ok && pushed.transcript.contains("Building site, which follows shop"), "{}", pushed.transcript);
    assert_eq!(builds(&daemon, &user, "site"), "succeeded");
}

/// The same without isolation: the pack of `site` waits for a file, the gate. Gives what opens it.
fn gated(limits: &str) -> (Daemon, User, WorkTree, impl Fn()) {
    let daemon = Daemon::start_with(&format!("engine = \"local\"\n[limits]\napi_requests_per_hour = 1000000\n{limits}\n"));
    let user = daemon.user("alice@example.com");
    let gate = daemon.data_dir().join("gate");
    let tree = WorkTree::new();
    for (app, root) in [("shop", "apps/web"), ("site", "apps/website")] {
        create(&daemon, &user, app);
        daemon.client(&user, &["apps:root", root, "--app", app]);
        tree.write(&format!("{root}/Procfile"), "web: serve\n");
        tree.write_program(&format!("{root}/pack/bin/detect"), "#!/bin/sh\necho Folder\n");
    }
    let waits = format!(
        "#!/bin/sh\necho at the gate\nwhile [ ! -e {0} ] && [ -d {1} ]; do sleep 0.05; done\n",
        gate.display(),
        daemon.data_dir().display()
    );
    tree.write_program("apps/website/pack/bin/compile", &waits);
    tree.write_program("apps/web/pack/bin/compile", "#!/bin/sh\n");
    tree.commit("first");
    daemon.client(&user, &["apps:follow", "shop", "--app", "site"]);
    (daemon, user, tree, move || std::fs::write(&gate, "").unwrap())
}

#[test]
fn killed_while_a_follower_is_built() {
    let (mut daemon, user, tree, open_gate) = gated("");
    let push = tree.start_push(&daemon, &user, "shop", &["main"]);
    until_log(&daemon, &user, "site", "at the gate");
    daemon.kill_and_restart();
    wait(push);
    open_gate();
    until(|| deploys(&daemon, &user, "site") == 1);
    assert_eq!(builds(&daemon, &user, "site"), "failed succeeded");
    assert_eq!(builds(&daemon, &user, "shop"), "succeeded");
}

#[test]
fn killed_before_a_follower_is_built() {
    let (mut daemon, user, tree, open_gate) = gated("queued_builds_per_app = 0");
    let own = tree.start_push(&daemon, &user, "site", &["main"]);
    until_log(&daemon, &user, "site", "at the gate");
    tree.commit("second");
    // There is no room for its build now.
    let push = tree.start_push(&daemon, &user, "shop", &["main"]);
    let pushed = wait(push);
    let said = "remote:  !     site, which follows shop, is not built yet: ";
    assert!(pushed.ok && pushed.transcript.contains(said), "{}", pushed.transcript);
    daemon.kill_and_restart();
    wait(own);
    open_gate();
    until(|| deploys(&daemon, &user, "site") == 1);
    assert_eq!(builds(&daemon, &user, "site"), "failed succeeded");
    assert_eq!(daemon.newest_slug(&user, "site")["commit"], tree.git(&["rev-parse", "HEAD"]).trim());
}
