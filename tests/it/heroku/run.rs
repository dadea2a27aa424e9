//! One-off commands and processes.

use insta::assert_snapshot;

use super::shop;
use crate::harness::until;

#[test]
fn a_command_is_run_in_the_released_code() {
    let Some(heroku) = shop("web: ./serve\n") else { return };
    assert_snapshot!(heroku.run("run 'cat README; exit 3'"), @r#"
    an app
    E> Running cat README; exit 3 on shop... starting, run.N
    E> Running cat README; exit 3 on shop... connecting, run.N
    E> Running cat README; exit 3 on shop... up, run.N
    "#);
    assert_snapshot!(heroku.run("run --exit-code -- sh -c 'cat README; exit 3'"), @r#"
    an app
    E> Running sh -c "cat README; exit 3" on shop... starting, run.N
    E> Running sh -c "cat README; exit 3" on shop... connecting, run.N
    E> Running sh -c "cat README; exit 3" on shop... up, run.N
    E>  ›   Error: Process exited with code 3
    [exit 3]
    "#);
    assert_snapshot!(heroku.run_with("run -x -e GREETING=hi -- sh -c 'tr a-z A-Z; echo $GREETING'", b"typed\n"), @r#"
    TYPED
    hi
    E> Running sh -c "tr a-z A-Z; echo $GREETING" on shop... starting, run.N
    E> Running sh -c "tr a-z A-Z; echo $GREETING" on shop... connecting, run.N
    E> Running sh -c "tr a-z A-Z; echo $GREETING" on shop... up, run.N
    "#);
    assert_snapshot!(heroku.run("run -a nosuch true"), @r#"
    E>  ›   Error: Couldn't find that app.
    E>  ›
    E>  ›   Error ID: not_found
    [exit 2]
    "#);
}

#[test]
fn a_command_has_a_terminal_if_its_user_has_one() {
    let Some(heroku) = shop("web: ./serve\n") else { return };
    let line = "stty cols 100 rows 40; heroku run 'tty; stty size; read -r line; echo got $line'";
    let screen = heroku.run_in_terminal(line, b"typed\n");
    assert!(screen.contains("/dev/pts/0\n40 100\n") && screen.contains("got typed\n"), "{screen}");
}

#[test]
fn a_terminal_that_does_not_know_its_size_is_one_too() {
    let Some(heroku) = shop("web: ./serve\n") else { return };
    let screen = heroku.run_in_terminal("stty cols 0 rows 0; heroku run 'tty; stty size'", b"");
    assert!(screen.contains("/dev/pts/0\n") && screen.contains("24 80\n"), "{screen}");
}

#[test]
fn what_runs_is_listed_and_stopped() {
    let Some(heroku) = shop("web: ./serve\nworker: ./work\n") else { return };
    assert_snapshot!(heroku.run("ps"), @"No dynos on shop");
    assert_snapshot!(heroku.run("run:detached 'sleep infinity'"), @r#"
    Run heroku logs --app shop --dyno run.N to view the output.

    E> Running sleep infinity on shop... done, run.N
    "#);
    until(|| heroku.daemon.get(&heroku.user, "/apps/shop/dynos")[0]["state"] == "up");
    assert_snapshot!(heroku.run("ps"), @r#"
    === run: one-off processes (1)

    run.N (Basic): up TIME: sleep infinity
    "#);
    assert_snapshot!(heroku.run("ps:restart"), @r#"
    E> Restarting all dynos on shop... done
    E>  ›   Warning: hoist runs release commands and one-off commands only, and has ended those one-off commands. Web and other processes are restarted and stopped where they run.
    "#);
    until(|| heroku.daemon.get(&heroku.user, "/apps/shop/dynos").as_array().unwrap().is_empty());
    assert_snapshot!(heroku.run("ps:restart --process-type web"), @r#"
    E> Restarting all web dynos on shop... done
    E>  ›   Warning: hoist runs release commands and one-off commands only, and has ended those one-off commands. Web and other processes are restarted and stopped where they run.
    "#);
    assert_snapshot!(heroku.run("ps:scale web=2 worker+1"), @"E> Scaling dynos... done, now running web at 2:Basic, worker at 1:Basic");
    assert_snapshot!(heroku.run("ps:scale"), @"web=2:Basic worker=1:Basic");
    assert_snapshot!(heroku.run("ps:scale clock=1"), @r#"
    E> Scaling dynos... !
    E>  ›   Error: Couldn't find that process type.
    E>  ›
    E>  ›   Error ID: not_found
    [exit 2]
    "#);
    assert_snapshot!(heroku.run("ps:stop run.1"), @r#"
    E>  ›   Warning: DYNO is a deprecated argument. Use --dyno-name or --process-type instead.
    E> Stopping dyno run.N on shop... !
    E>  ›   Error: Couldn't find that dyno.
    E>  ›
    E>  ›   Error ID: not_found
    [exit 2]
    "#);
}
