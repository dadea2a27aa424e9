//! What hoist's own client says to who has mistyped something.

use insta::assert_snapshot;

use crate::cli::Desk;

#[tokio::test]
async fn the_nearest_name_may_have_been_meant() {
    let desk = Desk::new().await;
    desk.run(&["create", "shop"]).await;
    desk.run(&["config:set", "GREETING=hello", "-a", "shop"]).await;
    assert_snapshot!(desk.run(&["releases", "-a", "shpo"]).await.all(), @"
    [exit 2]
     ›   Error: Couldn't find that app. Did you mean shop?
     ›
     ›   Error ID: not_found
    ");
    assert_snapshot!(desk.run(&["releases", "-a", "weather"]).await.all(), @"
    [exit 2]
     ›   Error: Couldn't find that app.
     ›
     ›   Error ID: not_found
    ");
    assert_snapshot!(desk.run(&["config:get", "GREETNIG", "-a", "shop"]).await.all(), @"GREETNIG is not set. Did you mean GREETING?");
    let restart = desk.run(&["ps:restart", "-a", "shop"]).await.all();
    assert_snapshot!(restart, @"
    Restarting all dynos on shop... done
     ›   Warning: hoist runs release commands and one-off commands only, and has ended those one-off commands. Web and other processes are restarted and stopped where they run.
    ");
    let scale = desk.run(&["ps:scale", "-a", "shop"]).await;
    assert_eq!(scale.code, 1);
    assert_snapshot!(desk.run(&["ps:scale", "wbe=1", "-a", "shop"]).await.all(), @"
    [exit 2]
    Scaling dynos... !
     ›   Error: Couldn't find that process type. Process types are those of the Procfile.
     ›
     ›   Error ID: not_found
    ");
}
