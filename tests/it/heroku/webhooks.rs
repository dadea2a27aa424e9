//! Webhooks, and what has become of their deliveries.

use insta::assert_snapshot;

use crate::harness::{Heroku, Receiver, until};

#[test]
fn a_webhook_from_birth_to_death() {
    let Some(heroku) = Heroku::new("[network]\nallow = [\"127.0.0.1\"]\n", "null") else { return };
    heroku.daemon.client(&heroku.user, &["apps:create", "shop"]);
    let receiver = Receiver::start();
    let url = receiver.url();
    receiver.answer_all(204);
    assert_snapshot!(heroku.run(&format!("webhooks:add -i api:release,api:nosuch -l notify -u {url} -a shop")), @r#"
    E> Adding webhook to shop... !
    E>  ›   Error: `api:nosuch` is nothing that a webhook can include. Known are: api:addon, api:addon-attachment, api:app, api:build, api:collaborator, api:dyno, api:formation, api:release, dyno.
    E>  ›
    E>  ›   Error ID: invalid_params
    [exit 2]
    "#);
    assert_snapshot!(heroku.run(&format!("webhooks:add -i api:release,api:app -l notify -s sesame -u {url} -a shop")), @r#"
    === Webhooks Signing Secret

    sesame
    E> Adding webhook to shop... done
    "#);
    assert_snapshot!(heroku.run("webhooks -a shop"), @r#"
     Webhook ID                             URL                           Include               Level
    RULE
     ID   http://HOST/hook   api:app,api:release   notify
    "#);
    let id = heroku.daemon.get(&heroku.user, "/apps/shop/webhooks")[0]["id"].as_str().unwrap().to_owned();
    assert_snapshot!(heroku.run(&format!("webhooks:update {id} -i api:release -l sync -u {url} -a shop")), @"E> Updating webhook ID for shop... done");
    assert_snapshot!(heroku.run(&format!("webhooks:info {id} -a shop")), @r#"
    === ID

    Include:    api:release
    Level:      sync
    URL:        http://HOST/hook
    Webhook ID: ID
    "#);
    heroku.daemon.client(&heroku.user, &["config:set", "GREETING=hello", "--app", "shop"]);
    until(|| heroku.daemon.get(&heroku.user, "/apps/shop/webhook-deliveries")[0]["status"] == "succeeded");
    assert_snapshot!(heroku.run("webhooks:deliveries -s succeeded -a shop"), @r#"
     Delivery ID                            Created                Status      Include       Level   Attempts   Code   Error   Next Attempt
    RULE
     ID   TIME   succeeded   api:release   sync    1          204
    "#);
    assert_snapshot!(heroku.run(&format!("webhooks:remove {id} -a shop")), @"E> Removing webhook ID from shop... done");
}
