//! What hoist has not: lists are empty, and the rest says why.

use insta::assert_snapshot;

use crate::harness::Heroku;

#[test]
fn what_is_not_there_is_not_listed() {
    let Some(heroku) = Heroku::new("", "null") else { return };
    heroku.daemon.client(&heroku.user, &["apps:create", "shop"]);
    assert_snapshot!(heroku.run("labs -a shop"), @r#"
    === User Features dev@example.com


    === App Features shop
    "#);
    assert_snapshot!(heroku.run("features -a shop"), @"=== App Features shop");
    assert_snapshot!(heroku.run("teams"), @r#"
     Team   Role
    RULE
    "#);
    assert_snapshot!(heroku.run("spaces"), @r#"
    E>  ›   Error: You do not have access to any spaces.
    [exit 2]
    "#);
    assert_snapshot!(heroku.run("drains -a shop"), @"");
    assert_snapshot!(heroku.run("certs -a shop"), @r#"
    shop has no SSL certificates.
    Use heroku certs:add CRT KEY to add one.
    "#);
    assert_snapshot!(heroku.run("domains -a shop"), @r#"
    === shop Heroku Domain

    shop.example.com
    "#);
    assert_snapshot!(heroku.run("regions"), @r#"
     ID   Location            Runtime
    RULE
     us   This installation   Common Runtime
    "#);
    assert_snapshot!(heroku.run("maintenance -a shop"), @"off");
}

#[test]
fn what_cannot_be_done_says_why() {
    let Some(heroku) = Heroku::new("", "null") else { return };
    heroku.daemon.client(&heroku.user, &["apps:create", "shop"]);
    assert_snapshot!(heroku.run("labs:enable preboot -a shop"), @r#"
    E>  ›   Error: hoist has no features to turn on or off.
    E>  ›
    E>  ›   Error ID: not_found
    [exit 2]
    "#);
    assert_snapshot!(heroku.run("domains:add www.example.com -a shop"), @r#"
    E> Adding www.example.com to shop... done
    E>  ›   Error: hoist routes no requests. Whatever runs the app does, and that is where it gets domains and certificates.
    E>  ›
    E>  ›   Error ID: not_found
    [exit 2]
    "#);
    assert_snapshot!(heroku.run("drains:add https://example.com/ -a shop"), @r#"
    E>  ›   Error: hoist has no drains: it keeps the logs of builds, release commands and one-off commands itself.
    E>  ›
    E>  ›   Error ID: not_found
    [exit 2]
    "#);
    assert_snapshot!(heroku.run("create -t team other"), @r#"
    E> Creating other... !
    E>  ›   Error: hoist has no teams: an app belongs to an account, and `access:add` lets others work on it.
    E>  ›
    E>  ›   Error ID: not_found
    [exit 2]
    "#);
    assert_snapshot!(heroku.run("apps:transfer friend@example.com -a shop"), @r#"
    E> Initiating transfer of shop to friend@example.com... !
    E>  ›   Error: hoist can't transfer apps. `access:add` lets another account work on one.
    E>  ›
    E>  ›   Error ID: not_found
    [exit 2]
    "#);
    assert_snapshot!(heroku.run("maintenance:on -a shop"), @r#"
    E> Enabling maintenance mode for shop... !
    E>  ›   Error: hoist does not serve apps, so it has no maintenance mode.
    E>  ›
    E>  ›   Error ID: invalid_params
    [exit 2]
    "#);
    assert_snapshot!(heroku.run("container:push web -a shop"), @r#"
    E>  ›   Error: This command is for Docker apps only. Switch stacks by running heroku stack:set container. Or, to deploy shop with debian-12, run git push heroku main instead.
    [exit 1]
    "#);
    assert_snapshot!(heroku.run("builds -a shop"), @r#"
    E>  ›   Warning: builds is not a heroku command.
    E>  ›   Error: Run heroku help for a list of available commands.
    [exit 127]
    "#);
}
