//! An app's log.

use insta::assert_snapshot;

use super::shop;
use crate::harness::until;

#[test]
fn the_last_lines_are_shown_whole_and_of_one_process() {
    let Some(heroku) = shop("web: ./serve\nrelease: echo migrated\n") else { return };
    let told = heroku.stdout("run:detached 'echo hello'");
    let advice = told.trim().strip_prefix("Run heroku ").unwrap().strip_suffix(" to view the output.").unwrap();
    until(|| heroku.daemon.get(&heroku.user, "/apps/shop/dynos").as_array().unwrap().is_empty());
    assert_snapshot!(heroku.run("logs -n 5"), @r#"
    TIME app[api]: Starting process with command `echo hello` by user dev@example.com
    TIME hoist[run.N]: State changed from starting to up
    TIME app[run.N]: hello
    TIME hoist[run.N]: Process exited with status 0
    TIME hoist[run.N]: State changed from up to complete
    "#);
    assert_snapshot!(heroku.run("logs -p release"), @"TIME app[release.2]: migrated");
    assert_snapshot!(heroku.run(advice), @r#"
    TIME hoist[run.N]: State changed from starting to up
    TIME app[run.N]: hello
    TIME hoist[run.N]: Process exited with status 0
    TIME hoist[run.N]: State changed from up to complete
    "#);
}
