//! Submodules that can't be fetched: the push is refused, and says what to do.

use std::sync::Arc;

use insta::assert_snapshot;

use super::{Said, Shop, private};
use crate::git_fetch::submodules::{add, library};
use crate::harness::{Forge, Manner, Moment, Stop, until, wait};

/// A commit that nobody has.
const NOWHERE: &str = "1111111111111111111111111111111111111111";

#[test]
fn what_is_private_gone_or_nowhere() {
    let (shop, forge) = (Shop::new(), private());
    let (_, lib) = library(&forge, "octo/lib");
    let refused = |url: Option<&str>| {
        shop.tree.git(&["checkout", "-q", "-B", "try", "main"]);
        add(&shop.tree, "vendor/lib", &lib, url);
        Said(shop.tree.push_http_to(&shop.daemon, &shop.user, "shop", "+HEAD:refs/heads/main")).refused_by(&forge)
    };
    assert_snapshot!(refused(Some(&forge.url("octo/lib"))), @"
    !	Push rejected, submodule install failed
     !     The submodule vendor/lib can't be fetched from http://HOST/octo/lib.git: the server does not let hoist in (it answered 401).
     !     If it is private, give hoist a token that may read it: hoist git-credentials:add http://HOST/octo/lib.git --token-file FILE
    ");
    assert_snapshot!(refused(None), @"
    !	Push rejected, submodule install failed
     !     fatal: No url found for submodule path 'vendor/lib' in .gitmodules
     !     Add it with `git submodule add URL vendor/lib`, or take it out with `git rm --cached vendor/lib`, and push again.
    ");
    assert_snapshot!(refused(Some("../lib.git")), @"
    !	Push rejected, submodule install failed
     !     The submodule vendor/lib can't be fetched: its URL ../lib.git is relative, and nothing says to what.
     !     Write its whole URL into .gitmodules, or connect the app to the repository it comes from (hoist github:connect).
    ");
    assert_snapshot!(refused(Some("git@example.com:octo/lib.git")), @"
    !	Push rejected, submodule install failed
     !     The submodule vendor/lib can't be fetched: a deploy key is needed for git@example.com:octo/lib.git.
     !     Use an https:// URL in .gitmodules, or give hoist a key: hoist git-credentials:add git@example.com:octo/lib.git --new-deploy-key
    ");
    assert_snapshot!(refused(Some("https://10.0.0.1/lib")), @"
    !	Push rejected, submodule install failed
     !     The submodule vendor/lib can't be fetched from https://10.0.0.1/lib: 10.0.0.1 is a private address, or this host's own.
     !     Ask whoever runs hoist to allow this network.
    ");
    assert_snapshot!(refused(Some("http://127.0.0.1:1/lib")), @"
    !	Push rejected, submodule install failed
     !     The submodule vendor/lib can't be fetched from http://HOST/lib: Connection refused (os error 111).
     !     Try again; if it stays so, ask whoever runs that server.
    ");
    assert_snapshot!(refused(Some("https://me:ghp_secret@example.com/lib")), @"
    !	Push rejected, submodule install failed
     !     The submodule vendor/lib can't be fetched: `https://example.com/lib` is no repository's URL: give the token by itself, not in the URL.
     !     Mend .gitmodules, commit, and push again.
    ");
    assert_snapshot!(refused(Some("/srv/lib.git")), @"
    !	Push rejected, submodule install failed
     !     The submodule vendor/lib can't be fetched: `/srv/lib.git` is no repository's URL: it must be https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH.
     !     Mend .gitmodules, commit, and push again.
    ");
    assert_eq!(shop.daemon.releases(&shop.user, "shop").len(), 1);
    assert!(!shop.has_leftovers());
}

#[test]
fn what_is_not_there() {
    let (shop, forge) = (Shop::new(), Forge::start());
    library(&forge, "octo/lib");
    add(&shop.tree, "lib", NOWHERE, Some(&forge.url("octo/lib")));
    assert_snapshot!(shop.push().refused_by(&forge), @"
    !	Push rejected, submodule install failed
     !     The submodule lib can't be fetched from http://HOST/octo/lib.git: the server does not give out commit 1111111111111111111111111111111111111111: no ref leads to it any more.
     !     Push that commit to the submodule's own repository first, then push again.
    ");
    add(&shop.tree, "a-lib", NOWHERE, Some(&forge.url("octo/gone")));
    assert_snapshot!(shop.push().refused_by(&forge), @"
    !	Push rejected, submodule install failed
     !     The submodule a-lib can't be fetched from http://HOST/octo/gone.git: the server has no such repository, or does not show it to hoist.
     !     If it is private, give hoist a token that may read it: hoist git-credentials:add http://HOST/octo/gone.git --token-file FILE
    ");
}

#[test]
fn a_repository_that_was_committed_by_mistake() {
    let (shop, forge) = (Shop::new(), Forge::start());
    let (_, lib) = library(&forge, "octo/lib");
    shop.tree.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{lib},lib")]);
    assert_snapshot!(shop.push().refused_by(&forge), @"
    !	Push rejected, submodule install failed
     !     fatal: No url found for submodule path 'lib' in .gitmodules
     !     Add it with `git submodule add URL lib`, or take it out with `git rm --cached lib`, and push again.
    ");
}

#[test]
fn a_killed_daemon_leaves_nothing_of_what_it_was_fetching() {
    let mut shop = Shop::new();
    let stop = Arc::<Stop>::default();
    let forge = Forge::with(Manner { stop: Arc::clone(&stop), ..Manner::default() });
    let (_, lib) = library(&forge, "octo/lib");
    let (outer, _) = library(&forge, "octo/outer");
    let outer_commit = add(&outer, "lib", &lib, Some("../lib.git"));
    forge.publish("octo/outer", &outer);
    add(&shop.tree, "outer", &outer_commit, Some(&forge.url("octo/outer")));
    // At two questions about the first, and, when that is there, at one about the second.
    for _ in 0..3 {
        stop.at_next(Moment::Asked);
        let push = shop.tree.start_push(&shop.daemon, &shop.user, "shop", &["main"]);
        until(|| stop.reached().is_some());
        assert!(shop.has_leftovers(), "it is fetching");
        shop.daemon.kill_and_restart();
        wait(push);
        assert!(!shop.has_leftovers());
        assert_eq!(shop.daemon.releases(&shop.user, "shop").len(), 1);
    }
    stop.nowhere();
    shop.push().released_with(&["outer/lib/name is octo/lib", "outer/name is octo/outer"]);
    let builds = shop.daemon.get(&shop.user, "/apps/shop/builds");
    let failed = builds.as_array().unwrap().iter().filter(|build| build["status"] == "failed").count();
    assert_eq!(failed, 3, "{builds}");
}
