//! Apps, their config, buildpacks and stack.

use insta::assert_snapshot;

use crate::harness::Heroku;

#[test]
fn an_app_from_birth_to_death() {
    let Some(heroku) = Heroku::new("", "null") else { return };
    assert_snapshot!(heroku.run("apps"), @"You have no apps.");
    assert_snapshot!(heroku.run("create shop"), @r#"
    https://shop.example.com/ | https://HOST/shop.git
    E> Creating shop... done
    "#);
    assert_snapshot!(heroku.git("remote -v"), @r#"
    heroku	https://HOST/shop.git (fetch)
    heroku	https://HOST/shop.git (push)
    "#);
    assert_snapshot!(heroku.run("create shop"), @r#"
    E> Creating shop... !
    E>  ›   Error: Name shop is already taken
    E>  ›
    E>  ›   Error ID: invalid_params
    [exit 2]
    "#);
    assert_snapshot!(heroku.run("info"), @r#"
    === shop

    Auto Cert Mgmt: false
    Git URL:        https://HOST/shop.git
    Web URL:        https://shop.example.com/
    Repo Size:      0 B
    Slug Size:      0 B
    Owner:          dev@example.com
    Region:         us
    Dynos:
    Stack:          debian-12
    "#);
    assert_snapshot!(heroku.run("rename store"), @r#"
    https://store.example.com/ | https://HOST/store.git
    Git remote heroku updated
    Git remote heroku updated
    E> Renaming shop to store... done
    E>  ›   Warning: Don't forget to update git remotes for all other local checkouts of the app.
    "#);
    assert_snapshot!(heroku.run("apps"), @r#"
    === dev@example.com Apps

    store
    "#);
    heroku.git("remote remove heroku");
    assert_snapshot!(heroku.run("git:remote -a store"), @"set git remote heroku to https://HOST/store.git");
    assert_snapshot!(heroku.run("destroy --confirm shop"), @r#"
    E>     Error: Confirmation shop did not match store. Aborted.
    [exit 1]
    "#);
    assert_snapshot!(heroku.run("destroy --confirm store"), @"E> Destroying store (including all add-ons)... done");
}

#[test]
fn config_is_set_edited_and_unset() {
    let Some(heroku) = Heroku::new("", "null") else { return };
    heroku.daemon.client(&heroku.user, &["apps:create", "shop"]);
    assert_snapshot!(heroku.run("config:set GREETING=hello 'NAME=two words' -a shop"), @r#"
    GREETING: hello
    NAME:     two words
    E> Setting GREETING, NAME and restarting shop... done, v2
    "#);
    assert_snapshot!(heroku.run("config -a shop"), @r#"
    === shop Config Vars

    GREETING: hello
    NAME:     two words
    "#);
    assert_snapshot!(heroku.run("config:get NAME -a shop"), @"two words");
    heroku.tree.write_program("editor", "#!/bin/sh\nsed -i s/hello/hi/ \"$1\"\n");
    assert_snapshot!(heroku.run_in_terminal("EDITOR=./editor heroku config:edit -a shop", b"y\n"), @r#"
    Fetching config... done

    Config Diff:
    - GREETING=hello
    + GREETING=hi

    ✔ Update config on shop with these values? Yes
    Verifying new config...
    Updating config... done
    "#);
    assert_snapshot!(heroku.run("config:unset NAME -a shop"), @"E> Unsetting NAME and restarting shop... done, v4");
    assert_snapshot!(heroku.run("config:set 1A=b -a shop"), @r#"
    E> Setting 1A and restarting shop... !
    E>  ›   Error: `1A` is not a config var name: use letters, digits and underscores, not starting with a digit
    E>  ›
    E>  ›   Error ID: invalid_params
    [exit 2]
    "#);
    assert_snapshot!(heroku.run("releases -a shop"), @r#"
    === shop Releases - Current: v4

      v    description                      user              created_at
     RULE
      v4   Unset NAME config vars           dev@example.com   TIME
      v3   Set GREETING config vars         dev@example.com   TIME
      v2   Set GREETING, NAME config vars   dev@example.com   TIME
      v1   Initial release                  dev@example.com   TIME
    "#);
}

#[test]
fn buildpacks_and_the_stack_of_the_next_build_are_set() {
    let Some(heroku) = Heroku::new("", "null") else { return };
    heroku.daemon.client(&heroku.user, &["apps:create", "shop"]);
    assert_snapshot!(heroku.run("buildpacks -a shop"), @"shop has no Buildpacks.");
    assert_snapshot!(heroku.run("buildpacks:set urn:buildpack:./pack -a shop"), @r#"
    Buildpack set. Next release on shop will use ./pack.
    Run git push heroku main to create a new release using this buildpack.
    "#);
    assert_snapshot!(heroku.run("buildpacks:add -i 1 heroku/nodejs -a shop"), @r#"
    Buildpack added. Next release on shop will use:
      1. heroku/nodejs
      2. ./pack
    Run git push heroku main to create a new release using these buildpacks.
    "#);
    assert_snapshot!(heroku.run("buildpacks -a shop"), @r#"
    === shop Classic Buildpacks (from the Heroku Buildpack Registry)

    1. heroku/nodejs
    2. ./pack
    "#);
    assert_snapshot!(heroku.run("buildpacks:set https://example.com/pack.tgz -a shop"), @r#"
    Buildpack set. Next release on shop will use:
      1. https://example.com/pack.tgz
      2. ./pack
    Run git push heroku main to create a new release using these buildpacks.
    "#);
    assert_snapshot!(heroku.run("buildpacks:add https://example.com/acme/pack.git#v2 -a shop"), @r#"
    Buildpack added. Next release on shop will use:
      1. https://example.com/pack.tgz
      2. ./pack
      3. https://example.com/acme/pack.git#v2
    Run git push heroku main to create a new release using these buildpacks.
    "#);
    assert_snapshot!(heroku.run("buildpacks:remove heroku/ruby -a shop"), @r#"
    E>  ›   Error: Buildpack not found. Nothing was removed.
    [exit 1]
    "#);
    assert_snapshot!(heroku.run("buildpacks:clear -a shop"), @"Buildpacks cleared. Next release on shop will detect buildpacks normally.");
    assert_snapshot!(heroku.run("stack -a shop"), @r#"
    === shop Available Stacks

      container
    * debian-12
    "#);
    assert_snapshot!(heroku.run("stack:set debian-12 -a shop"), @"E> Setting stack to debian-12... done");
    assert_snapshot!(heroku.run("stack:set heroku-24 -a shop"), @r#"
    E> Setting stack to heroku-24... !
    E>  ›   Error: There is no stack `heroku-24` here. `hoist stacks` lists those there are.
    E>  ›
    E>  ›   Error ID: invalid_params
    [exit 2]
    "#);
}
