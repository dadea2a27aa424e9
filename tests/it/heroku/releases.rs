//! From a push to its release, and back.

use insta::assert_snapshot;

use crate::harness::Heroku;

#[test]
fn a_push_is_released_shown_and_rolled_back() {
    let Some(heroku) = Heroku::new("", "null") else { return };
    heroku.run("create shop");
    heroku.run("buildpacks:set urn:buildpack:./pack");
    heroku.tree.write("Procfile", "web: ./serve\nrelease: echo migrated $GREETING\n");
    heroku.tree.commit("a release command");
    assert_snapshot!(heroku.git("push heroku main"), @r#"
    E> remote: Compressing source files... done.
    E> remote: Building source:
    E> remote:
    E> remote: -----> Building on the debian-12 stack
    E> remote: -----> Using buildpack: ./pack
    E> remote: -----> Null app detected
    E> remote: -----> Discovering process types
    E> remote:        Procfile declares types -> release, web
    E> remote:
    E> remote: -----> Compressing...
    E> remote:        Done: SIZE
    E> remote: -----> Launching...
    E> remote:  !     Release command declared: this new release will not be available until the command succeeds.
    E> remote:        Released v2
    E> remote:        https://shop.example.com/ deployed to hoist
    E> remote: -----> Built in TIME
    E> remote:
    E> remote: Verifying deploy... done.
    E> remote: Running release command...
    E> remote:
    E> remote: migrated
    E> remote: Waiting for release.... done.
    E> To https://HOST/shop.git
    E>  * [new branch]      main -> main
    "#);
    assert_snapshot!(heroku.run("config:set GREETING=hello"), @r#"
    GREETING: hello
    E> Setting GREETING and restarting shop... done, v3
    "#);
    assert_snapshot!(heroku.run("releases"), @r#"
    === shop Releases - Current: v3

      v    description                user              created_at
     RULE
      v3   Set GREETING config vars   dev@example.com   TIME
      v2   Deploy 44dfa3d4            dev@example.com   TIME
      v1   Initial release            dev@example.com   TIME
    "#);
    assert_snapshot!(heroku.run("releases:info v2"), @r#"
    === Release v2

    By:                     dev@example.com
    Change:                 Deploy 44dfa3d4
    Eligible for Rollback?: Yes
    When:                   TIME

    === v2 Config vars
    "#);
    assert_snapshot!(heroku.run("releases:output v2"), @"migrated");
    assert_snapshot!(heroku.run("releases:output v1"), @"E>  ›   Warning: Release v1 has no release output available.");
    assert_snapshot!(heroku.run("rollback v2"), @r#"
    Running release command...
    migrated
    E> Rolling back shop to v2... done, v4
    E>  ›   Warning: Rollback affects code and config vars; it doesn't add or remove addons.
    E>  ›   Warning: To undo, run: heroku rollback v3
    "#);
    assert_snapshot!(heroku.run("releases:retry"), @r#"
    Running release command...
    migrated
    E> Retrying v4 on shop... done, v5
    "#);
    assert_snapshot!(heroku.run("releases:info"), @r#"
    === Release v5

    By:                     dev@example.com
    Change:                 Retry of v4: Rollback to v2
    Eligible for Rollback?: Yes
    When:                   TIME

    === v5 Config vars
    "#);
    assert_snapshot!(heroku.run("rollback v99"), @r#"
    E>  ›   Error: Couldn't find that release.
    E>  ›
    E>  ›   Error ID: not_found
    [exit 2]
    "#);
}

#[test]
fn a_push_that_fails_says_so() {
    let Some(heroku) = Heroku::new("", "fails") else { return };
    heroku.run("create shop");
    heroku.run("buildpacks:set urn:buildpack:./pack");
    assert_snapshot!(heroku.git("push heroku main"), @r#"
    E> remote: Compressing source files... done.
    E> remote: Building source:
    E> remote:
    E> remote: -----> Building on the debian-12 stack
    E> remote: -----> Using buildpack: ./pack
    E> remote: -----> Fails app detected
    E> remote: -----> Failing
    E> remote:        on stdout
    E> remote:  !     on stderr
    E> remote:  !     Push rejected, failed to compile Fails app.
    E> remote:
    E> remote:  !     Push failed
    E> remote: Verifying deploy...
    E> remote:
    E> remote: !	Push rejected to shop.
    E> remote:
    E> To https://HOST/shop.git
    E>  ! [remote rejected] main -> main (pre-receive hook declined)
    E> error: failed to push some refs to 'https://HOST/shop.git'
    [exit 1]
    "#);
    assert_snapshot!(heroku.run("releases"), @r#"
    === shop Releases - Current: v1

      v    description       user              created_at
     RULE
      v1   Initial release   dev@example.com   TIME
    "#);
}
