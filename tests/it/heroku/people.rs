//! Who works on an app, and with which key.

use insta::assert_snapshot;

use crate::harness::Heroku;

#[test]
fn others_are_let_in_and_out() {
    let Some(heroku) = Heroku::new("", "null") else { return };
    heroku.daemon.user("friend@example.com");
    heroku.daemon.client(&heroku.user, &["apps:create", "shop"]);
    assert_snapshot!(heroku.run("whoami"), @r#"
    dev@example.com
    E>  ›   Warning: HEROKU_API_KEY is set
    "#);
    assert_snapshot!(heroku.run("access:add friend@example.com -a shop"), @"E> Adding friend@example.com access to the app shop... done");
    assert_snapshot!(heroku.run("access -a shop"), @r#"
     email                role           permissions
    RULE
     dev@example.com      owner          deploy, manage, operate, view
     friend@example.com   collaborator   deploy, operate, view
    "#);
    assert_snapshot!(heroku.run("access:remove friend@example.com -a shop"), @"E> Removing friend@example.com access from the app shop... done");
    assert_snapshot!(heroku.run("access:add stranger@example.com -a shop"), @r#"
    E> Adding stranger@example.com access to the app shop... !
    E>  ›   Error: There is no account `stranger@example.com` here. Whoever runs this installation can add it.
    E>  ›
    E>  ›   Error ID: invalid_params
    [exit 2]
    "#);
}

#[test]
fn keys_come_and_go() {
    let Some(heroku) = Heroku::new("", "null") else { return };
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJQsvPHKKDpHYa0UuAvLA2JnBwZ8GNZvuLrO7Eofxcw6 dev@laptop\n";
    heroku.tree.write("laptop.pub", key);
    assert_snapshot!(heroku.run("keys:add laptop.pub"), @"E> Uploading laptop.pub SSH key... done");
    // The list is in the order of the keys' ids.
    let keys = heroku.run("keys");
    let mut lines: Vec<_> = keys.lines().skip(2).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["ssh-ed25519 AAAAC3NzaC...KEY dev@example.com", "ssh-ed25519 AAAAC3NzaC...rO7Eofxcw6 dev@laptop"]);
    assert_snapshot!(heroku.run("keys:remove dev@laptop"), @"E> Removing dev@laptop SSH key... done");
    heroku.tree.write("broken.pub", "ssh-ed25519 AAAA\n");
    assert_snapshot!(heroku.run("keys:add broken.pub"), @r#"
    E> Uploading broken.pub SSH key... !
    E>  ›   Error: This is not an SSH public key. Give the content of a file such as ~/.ssh/id_ed25519.pub.
    E>  ›
    E>  ›   Error ID: invalid_params
    [exit 2]
    "#);
}
