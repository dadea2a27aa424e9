//! Databases as add-ons, on a real server.

use insta::assert_snapshot;

use crate::harness::{Heroku, postgresql};

#[test]
fn a_database_from_birth_to_death() {
    let Some(heroku) = Heroku::new(&format!("[addons]\npostgresql_url = \"{}\"\n", postgresql()), "null") else { return };
    heroku.daemon.client(&heroku.user, &["apps:create", "shop"]);
    heroku.daemon.client(&heroku.user, &["apps:create", "other"]);
    assert_snapshot!(heroku.run("addons -a shop"), @"No add-ons for app shop.");
    assert_snapshot!(heroku.run("addons:create heroku-postgresql:essential-0 --name main-db -a shop"), @r#"
    Created main-db as DATABASE_URL
    Run heroku addons:docs hoist-postgresql to view documentation.
    E> Creating heroku-postgresql:essential-0 on shop... free
    "#);
    assert_snapshot!(heroku.run("addons:attach main-db --as SHARED -a other"), @r#"
    E> Attaching main-db as SHARED to other... done
    E> Setting SHARED config vars and restarting other... done, v2
    "#);
    assert_snapshot!(heroku.run("addons -a shop"), @r#"
      Add-on                       Plan          Price   Max Price   State
     RULE
      hoist-postgresql (main-db)   essential-0   free    free        created
      ├─ as DATABASE
      └─ as SHARED on other app


    The table above shows add-ons and the attachments to the current app (shop) or other apps.
    "#);
    assert_snapshot!(heroku.run("addons:info main-db"), @r#"
    === main-db

    Plan:         hoist-postgresql:essential-0
    Price:        free
    Max Price:    free
    Attachments:  other::SHARED
                  shop::DATABASE
    Owning app:   shop
    Installed at: TIME
    State:        created
    "#);
    assert_snapshot!(heroku.run("addons:destroy main-db -c shop -a shop"), @r#"
    E> Destroying main-db on shop... !
    E>     Error: The add-on was unable to be destroyed: Cannot destroy main-db while it is attached to other apps (other). Detach it there, or force it.
    [exit 1]
    "#);
    assert_snapshot!(heroku.run("addons:detach SHARED -a other"), @r#"
    E> Detaching SHARED to main-db from other... done
    E> Unsetting SHARED config vars and restarting other... done, v3
    "#);
    assert_snapshot!(heroku.run("addons:destroy main-db -c shop -a shop"), @"E> Destroying main-db on shop... done");
    assert_snapshot!(heroku.run("addons:create heroku-kafka -a shop"), @r#"
    E> Creating heroku-kafka on shop... !
    E>  ›   Error: Couldn't find either the add-on service or the add-on plan of "heroku-kafka". There are: hoist-postgresql:essential-0, hoist-redis:mini.
    E>  ›
    E>  ›   Error ID: invalid_params
    [exit 2]
    "#);
}
