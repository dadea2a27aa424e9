//! hoist's own commands.

use insta::assert_snapshot;
use serde_json::Value;

use super::config;
use crate::cli::Desk;
use crate::harness::Redis;

#[tokio::test]
async fn an_add_on_from_birth_to_death() {
    let redis = Redis::start();
    let desk = Desk::configured(&config(&redis)).await;
    desk.run(&["create", "example"]).await;
    desk.run(&["create", "other"]).await;
    let run = async |args: &[&str]| desk.run(args).await.all();
    assert_snapshot!(run(&["addons", "-a", "example"]).await, @"No add-ons for app example.");
    assert_snapshot!(run(&["addons:services"]).await, @r"
    See plans with hoist addons:plans SERVICE
      Slug               Name         State
     RULE
      hoist-postgresql   PostgreSQL   ga
      hoist-redis        Redis        ga
    ");
    assert_snapshot!(run(&["addons:plans", "heroku-redis"]).await, @r"
               Slug               Name   Price   Max Price
    RULE
     default   hoist-redis:mini   Mini   free    free
    ");
    assert_snapshot!(run(&["addons:create", "heroku-postgresql:essential-0", "--name", "main-db", "-a", "example"]).await, @r"
    Creating heroku-postgresql:essential-0 on example... done, free
    Created main-db as DATABASE_URL
    ");
    assert_snapshot!(run(&["addons:attach", "main-db", "-a", "other", "--as", "SHARED"]).await, @r"
    Attaching main-db as SHARED to other... done
    Setting SHARED config vars and restarting other... done, v2
    ");
    desk.run(&["config:set", "MINE_URL=1", "-a", "other"]).await;
    assert_snapshot!(run(&["addons:attach", "main-db", "-a", "other", "--as", "MINE"]).await, @r"
    [exit 1]
    Attaching main-db as MINE to other... !
     ›   Error: MINE_URL is set on other already; this overwrites it. Re-run the command with --confirm other
    ");
    assert_snapshot!(run(&["addons:attach", "main-db", "-a", "other", "--as", "MINE", "--confirm", "other"]).await, @r"
    Attaching main-db as MINE to other... done
    Setting MINE config vars and restarting other... done, v4
    ");
    assert_snapshot!(run(&["addons", "-a", "example"]).await, @r"
    The table above shows add-ons and the attachments to the current app (example) or other apps.
      Add-on                       Plan          Price   Max Price   State
     RULE
      hoist-postgresql (main-db)   essential-0   free    free        created
       ├─ as DATABASE
       ├─ as MINE on other app
       └─ as SHARED on other app
    ");
    assert_snapshot!(run(&["addons", "-a", "other"]).await, @r"
    The table above shows add-ons and the attachments to the current app (other) or other apps.
      Add-on                           Plan          Price                     Max Price   State
     RULE
      hoist-postgresql (main-db)       essential-0   (billed to example app)               created
       ├─ as MINE
       ├─ as SHARED
       └─ as DATABASE on example app
    ");
    assert_snapshot!(run(&["addons", "--all"]).await, @r"
     Owning App   Add-on    Plan                           Price   Max Price   State
    RULE
     example      main-db   hoist-postgresql:essential-0   free    free        created
    ");
    let info = run(&["addons:info", "DATABASE", "-a", "example"]).await;
    assert_snapshot!(without_time(&info), @r"
    === main-db

    Plan:         hoist-postgresql:essential-0
    Price:        free
    Max Price:    free
    Attachments:  example::DATABASE, other::MINE, other::SHARED
    Owning app:   example
    Installed at: TIME
    State:        created
    ");
    assert_snapshot!(run(&["addons:detach", "SHARED", "-a", "other"]).await, @r"
    Detaching SHARED to main-db from other... done
    Unsetting SHARED config vars and restarting other... done, v5
    ");
    assert_snapshot!(run(&["addons:rotate", "main-db"]).await, @r"
    Rotating the password of main-db (hoist-postgresql:essential-0)... done
    Updating config vars and restarting example... done, v4
    Updating config vars and restarting other... done, v6
    ");
    assert_snapshot!(run(&["addons:rename", "main-db", "prime-db"]).await, @"main-db successfully renamed to prime-db.");
    assert_snapshot!(run(&["addons:destroy", "prime-db", "-a", "example"]).await, @r"
    [exit 1]
     ›   Error: This destroys prime-db of example with all its data. Re-run the command with --confirm example
    ");
    assert_snapshot!(run(&["addons:destroy", "prime-db", "-a", "example", "--confirm", "example"]).await, @r"
    [exit 2]
    Destroying prime-db on example... !
     ›   Error: Cannot destroy prime-db while it is attached to other apps (other). Detach it there, or force it
     ›
     ›   Error ID: invalid_params
    ");
    assert_snapshot!(run(&["addons:destroy", "prime-db", "-c", "example", "--force"]).await, @"Destroying prime-db on example... done");
    let release = run(&["releases:info", "v3", "-a", "example"]).await;
    assert!(release.contains("Add-ons:                hoist-postgresql:essential-0"), "{release}");
    let made = desk.run(&["addons:create", "hoist-redis", "--name", "cache", "--json", "-a", "example"]).await;
    assert_eq!(serde_json::from_str::<Value>(&made.stdout).unwrap()["name"], "cache");
    let diff = run(&["releases:diff", "v1", "v3", "-a", "example"]).await;
    assert!(diff.contains("=== Add-ons\n\n+ main-db as DATABASE\n"), "{diff}");
}

fn without_time(text: &str) -> String {
    let line = |line: &str| if line.starts_with("Installed at:") { "Installed at: TIME\n".into() } else { format!("{line}\n") };
    text.lines().map(line).collect()
}
