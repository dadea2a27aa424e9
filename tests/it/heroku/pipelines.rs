//! Pipelines.

use insta::assert_snapshot;

use super::shop;

#[test]
fn code_is_promoted_down_a_pipeline() {
    let Some(heroku) = shop("web: ./serve\nrelease: echo migrated\n") else { return };
    heroku.daemon.client(&heroku.user, &["apps:create", "live", "--no-remote"]);
    assert_snapshot!(heroku.run("pipelines:create pipe -a shop -s staging"), @r#"
    E> Creating pipe pipeline... done
    E> Adding shop to pipe pipeline as staging... done
    "#);
    assert_snapshot!(heroku.run("pipelines:add pipe -a live -s production"), @"E> Adding live to pipe pipeline as production... done");
    assert_snapshot!(heroku.run("pipelines:info pipe"), @r#"
    === pipe

    owner: dev@example.com

      app name   stage
     RULE
      shop       staging
      live       production
    "#);
    assert_snapshot!(heroku.run("pipelines:promote -a shop"), @r#"
    Fetching app info...
    Fetching apps from pipe...
    Starting promotion to production...
    Waiting for promotion to complete...
    Fetching release info...
    Running release command...
    migrated

    Promotion successful
    live: succeeded
    "#);
    assert_snapshot!(heroku.run("releases -a live"), @r#"
    === live Releases - Current: v2

      v    description                user              created_at
     RULE
      v2   Promote shop v2 2febecdf   dev@example.com   TIME
      v1   Initial release            dev@example.com   TIME
    "#);
    assert_snapshot!(heroku.run("info -a live"), @r#"
    === live

    Pipeline:       pipe - production
    Auto Cert Mgmt: false
    Git URL:        https://HOST/live.git
    Web URL:        https://live.example.com/
    Repo Size:      0 B
    Slug Size:      323 B
    Owner:          dev@example.com
    Region:         us
    Dynos:
    Stack:          debian-12
    "#);
    assert_snapshot!(heroku.run("pipelines:diff -a shop"), @r#"
    E> Fetching apps from pipeline... done
    E> Fetching release info for all apps... done
    E>  ›   Error: shop does not seem to be connected to GitHub!
    E>  ›   Run heroku pipelines:open pipe and "Connect to GitHub".
    [exit 2]
    "#);
    assert_snapshot!(heroku.run("pipelines:promote -a live"), @r#"
    Fetching app info...
    Fetching apps from pipe...
    E>     Error: Cannot promote live from 'production' stage
    [exit 1]
    "#);
    assert_snapshot!(heroku.run("pipelines:destroy pipe"), @"E> Destroying pipe pipeline... done");
}
