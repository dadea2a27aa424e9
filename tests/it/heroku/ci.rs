//! Test runs that have ended, and the config vars of the next.

use insta::assert_snapshot;

use crate::harness::{HOIST, Heroku, fixture};

#[test]
fn a_test_run_is_shown_and_the_next_configured() {
    let Some(heroku) = Heroku::new("", "tested") else { return };
    heroku.tree.write("app.json", &std::fs::read_to_string(fixture("apps/app-json/app.json")).unwrap());
    heroku.tree.commit("Sell more");
    heroku.daemon.client(&heroku.user, &["apps:create", "shop"]);
    heroku.daemon.client(&heroku.user, &["pipelines:create", "pipe", "-s", "staging", "-a", "shop"]);
    assert_snapshot!(heroku.run("ci:last -p pipe"), @"E>  ›   Warning: No Heroku CI runs found for the specified app and/or pipeline.");
    assert_snapshot!(heroku.run("ci:config:set -p pipe EXIT=3"), @r#"
    EXIT: 3
    E> Setting EXIT... done
    "#);
    assert_snapshot!(heroku.run("ci:config:get -p pipe EXIT"), @"3");
    // Heroku's own `ci:run` asks a server of Heroku's for the pipeline's repository.
    let mut run = heroku.command(HOIST);
    run.args(["ci:run", "-p", "pipe"]);
    assert!(heroku.told(run, b"").ends_with("[exit 3]\n"));
    let commit = heroku.tree.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let normal = |told: String| told.replace(&commit, "COMMIT").replace(&commit[..7], "SHORT");
    assert_snapshot!(normal(heroku.run("ci -p pipe")), @r#"
    === Showing latest test runs for the pipe pipeline

              branch   sha       status
     RULE
      ✗   1   main     SHORT   failed
    "#);
    let info = normal(heroku.run("ci:info 1 -p pipe"));
    assert_snapshot!(info, @r#"
    -----> Testing on the debian-12 stack
    -----> Using buildpack: ./pack
    -----> Tested app detected
    -----> Compiling for tests of COMMIT
    -----> Running test-setup command
    preparing on main
    1..5
    ok 1 - is compiled for tests
    ok 2 - is prepared
    ok 3 - has its profile
    ok 4 - is told that it is CI
    ok 5 - has its own config
    a secret:

    ✗ #1 main:SHORT failed
    [exit 3]
    "#);
    assert_eq!(normal(heroku.run("ci:last -p pipe")), info);
    assert_snapshot!(heroku.run("ci:config:unset -p pipe EXIT"), @"E> Unsetting EXIT... done");
    assert_snapshot!(heroku.run("ci:config -p pipe"), @"=== pipe test config vars");
}
