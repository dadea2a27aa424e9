//! API tokens: made, looked at, replaced and revoked; and a login, which is one.

use insta::assert_snapshot;
use serde_json::Value;

use crate::harness::Heroku;

/// The id of the token that has this description.
fn id_of(heroku: &Heroku, description: &str) -> String {
    let all = heroku.daemon.get(&heroku.user, "/oauth/authorizations");
    let one = all.as_array().unwrap().iter().find(|one| one["description"] == description);
    one.unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_authorization_from_birth_to_death() {
    let Some(heroku) = Heroku::new("", "null") else { return };
    assert_snapshot!(heroku.run("authorizations:create -d laptop -s read,identity -S"), @r#"
    TOKEN
    E> Creating OAuth Authorization... done
    "#);
    let made = heroku.stdout("authorizations:create -d desk -e 3600 --json");
    let made: Value = serde_json::from_str(&made).unwrap();
    assert!(made["access_token"]["token"].as_str().unwrap().starts_with("hoist-"), "whole, this once");
    assert_snapshot!(heroku.run("authorizations"), @r#"
     Description                    ID                                     Scope
    RULE
     desk                           ID   global
     laptop                         ID   identity,read
     made by hoist admin user:add   ID   global
    "#);
    let id = id_of(&heroku, "laptop");
    assert_snapshot!(heroku.run(&format!("authorizations:update {id} -d notebook")), @r#"
    Client:      <none>
    ID:          ID
    Description: notebook
    Scope:       identity,read
    Token:       TOK**********EN
    Updated at:  TIME (less than a minute ago)
    E> Updating OAuth Authorization... done
    "#);
    assert_snapshot!(heroku.run(&format!("authorizations:rotate {id}")), @r#"
    Client:      <none>
    ID:          ID
    Description: notebook
    Scope:       identity,read
    Token:       TOKEN
    Updated at:  TIME (less than a minute ago)
    E> Rotating OAuth Authorization... done
    "#);
    assert_snapshot!(heroku.run(&format!("authorizations:info {}", made["id"].as_str().unwrap())), @r#"
    Client:      <none>
    ID:          ID
    Description: desk
    Scope:       global
    Token:       TOK**********EN
    Expires at:  TIME (in about 1 hour)
    Updated at:  TIME (less than a minute ago)
    "#);
    assert_snapshot!(heroku.run(&format!("authorizations:revoke {id}")), @"E> Revoking OAuth Authorization... done, revoked authorization from notebook");
    assert_snapshot!(heroku.run("authorizations:create -s everything"), @r#"
    E> Creating OAuth Authorization... !
    E>  ›   Error: `everything` is not a scope: use some of global, identity, read, read-protected, write, write-protected
    E>  ›
    E>  ›   Error ID: invalid_params
    [exit 2]
    "#);
}

#[test]
fn a_login_is_a_token_of_its_own_that_logout_revokes() {
    let Some(mut heroku) = Heroku::new("", "null") else { return };
    let token = heroku.key.take().unwrap();
    let mut terminal = heroku.terminal("heroku login -i");
    terminal.until("? Email");
    terminal.type_in(b"dev@example.com\n");
    terminal.until("? Password");
    terminal.type_in(format!("{token}\n").as_bytes());
    let code = terminal.end();
    assert_snapshot!(heroku.normal(&terminal.screen()), @r#"
    heroku: Enter your login credentials

    ✔ Email dev@example.com
    ✔ Password
    Logged in as dev@example.com
    "#);
    assert_eq!(code, 0);
    let own = heroku.stdout("auth:token");
    let own = own.trim();
    assert!(own.starts_with("hoist-") && own != token, "its own token");
    let account = |token: &str| {
        let url = format!("http://{}/account", heroku.daemon.http);
        let request = ureq::get(url).config().http_status_as_error(false).build();
        request.header("Authorization", format!("Bearer {token}")).call().unwrap().status().as_u16()
    };
    assert_eq!(account(own), 200);
    assert_snapshot!(heroku.run("auth:logout"), @"E> Logging out... done");
    assert_eq!((account(own), account(&token)), (401, 200), "only the login's own token is revoked");
    assert_snapshot!(heroku.run("whoami"), @r#"
    E>  ›   Error: not logged in
    [exit 100]
    "#);
}
