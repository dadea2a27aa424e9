//! Review apps of a pipeline that hoist's own client has connected: the CLI connects with Heroku's own service alone.

use insta::assert_snapshot;

use crate::harness::{Forge, Heroku};

const CONFIG: &str = "engine = \"local\"\n[network]\nallow = [\"127.0.0.0/8\"]\n[gitea]\n";

#[test]
fn a_branch_gets_a_review_app() {
    let Some(heroku) = Heroku::new(CONFIG, "null") else { return };
    let forge = Forge::start();
    heroku.tree.write("app.json", r#"{"buildpacks": [{"url": "./pack"}]}"#);
    heroku.tree.commit("app.json");
    forge.publish("octo/shop", &heroku.tree);
    forge.publish_as("octo/shop", &heroku.tree, "refs/heads/new/colours");
    heroku.daemon.client(&heroku.user, &["apps:create", "shop"]);
    heroku.run("pipelines:create pipe -a shop -s staging");
    let url = forge.url("octo/shop");
    let connect = ["pipelines:connect", "pipe", "-r", "octo/shop", "--provider", "gitea", "--clone-url", &url];
    heroku.daemon.client(&heroku.user, &connect);
    assert_snapshot!(heroku.run("reviewapps:enable -p pipe"), @"E> Configuring pipeline... done");
    assert_snapshot!(heroku.run("reviewapps:enable -p pipe --autodeploy --autodestroy --wait-for-ci"), @r#"
    Enabling auto deployment...
    Enabling auto destroy...
    Enabling wait for CI...
    E> Configuring pipeline... done
    "#);
    assert_snapshot!(heroku.run("reviewapps:disable -p pipe --no-wait-for-ci"), @r#"
    Disabling wait for CI...
    E> Configuring pipeline... done
    "#);
    heroku.daemon.client(&heroku.user, &["reviewapps:enable", "-p", "pipe", "--base-name", "shop"]);
    assert_snapshot!(heroku.run("reviewapps:create -p pipe -b nowhere"), @r#"
    E> Creating review app from nowhere... !
    E>     Error: The branch nowhere doesn't exist. Make sure the branch is correct and try again.
    [exit 1]
    "#);
    assert_snapshot!(heroku.run("reviewapps:create -p pipe -b new/colours --wait --wait-interval 1"), @r#"
    E> Creating review app from new/colours...
    E> Creating review app from new/colours... done
    E> Review app is building and will be ready when complete... done
    "#);
    assert_snapshot!(heroku.run("reviewapps:wait shop-br-new-colours"), @"");
    assert_snapshot!(heroku.run("pipelines:info pipe"), @r#"
    === pipe

    owner: dev@example.com

      app name              stage
     RULE
      shop-br-new-colours   review
      shop                  staging
    "#);
    assert_snapshot!(heroku.run("releases -a shop-br-new-colours"), @r#"
    === shop-br-new-colours Releases - Current: v3

      v    description                                      user              created_at
     RULE
      v3   Deploy 7a7158c4                                  dev@example.com   TIME
      v2   Set HEROKU_APP_NAME, HEROKU_BRANCH config vars   dev@example.com   TIME
      v1   Initial release                                  dev@example.com   TIME
    "#);
    assert_snapshot!(heroku.run("reviewapps:disable -p pipe"), @"E> Configuring pipeline... done");
}
