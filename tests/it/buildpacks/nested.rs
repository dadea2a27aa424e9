//! Packs that run other packs, or the app's own scripts, or install system packages: as people have them from Heroku.

use std::process::Command;

use super::{DETECT, Shop, pack};
use crate::harness::{Daemon, Forge, fixture, run};

fn copy(from: &str, shop: &Shop, to: &str) {
    run(Command::new("cp").arg("-R").arg(fixture("buildpacks").join(from)).arg(shop.tree.path().join(to)));
}

/// heroku-buildpack-multi's way.
#[test]
fn a_pack_may_fetch_and_run_other_packs() {
    let (shop, forge) = (Shop::new(), Forge::start());
    forge.publish("octo/one", &pack("one"));
    let two = pack("two");
    two.write_program("bin/release", "#!/bin/sh\necho 'default_process_types: { web: run two }'\n");
    two.commit("release");
    forge.publish("octo/two", &two);
    copy("many", &shop, "pack");
    shop.tree.write(".buildpacks", &format!("{}\n{}#main\n", forge.url("octo/one"), forge.url("octo/two")));
    shop.set("./pack");
    shop.push().released_with(&["-----> Many app detected\n", "says one", "says two", "Default types for buildpack -> web\n"]);
}

/// heroku-buildpack-inline's way.
#[test]
fn a_pack_may_run_the_apps_own_scripts() {
    let shop = Shop::new();
    copy("inline", &shop, "pack");
    shop.tree.write_program("bin/detect", "#!/bin/sh\necho Own\n");
    shop.tree.write_program("bin/compile", "#!/bin/sh\necho \"       compiled by itself in $(ls $1 | tr '\\n' ' ')\"\n");
    shop.tree.write_program("bin/release", "#!/bin/sh\necho 'default_process_types: { web: run own }'\n");
    shop.set("./pack");
    shop.push().released_with(&["-----> Own app detected\n", "compiled by itself in README bin pack\n", "-> web\n"]);
}

/// heroku-buildpack-apt's way.
#[test]
fn a_pack_may_unpack_system_packages_for_the_packs_behind_it() {
    let shop = Shop::of(Daemon::start());
    let files = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(files.path().join("DEBIAN")).unwrap();
    std::fs::create_dir_all(files.path().join("usr/bin")).unwrap();
    let control = "Package: greet\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: says hello\n";
    std::fs::write(files.path().join("DEBIAN/control"), control).unwrap();
    std::fs::write(files.path().join("usr/bin/greet"), "#!/bin/sh\necho hello from a package\n").unwrap();
    run(Command::new("chmod").arg("755").arg(files.path().join("usr/bin/greet")));
    std::fs::create_dir(shop.tree.path().join("debs")).unwrap();
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build"])
        .arg(files.path())
        .arg(shop.tree.path().join("debs/greet.deb")));
    shop.tree.write("Aptfile", "# a package of the app's own\n./debs/greet.deb\n");
    copy("packages", &shop, "apt");
    shop.tree.write_program("pack/bin/detect", DETECT);
    shop.tree.write_program("pack/bin/compile", "#!/bin/sh\ngreet\n");
    shop.client(&["buildpacks:set", "./apt"]);
    shop.client(&["buildpacks:add", "./pack"]);
    shop.push().released_with(&["-----> Packages app detected\n", "Unpacking greet.deb\n", "hello from a package\n"]);
    assert_eq!(shop.daemon.client(&shop.user, &["run", "--app", "shop", "greet"]).trim(), "hello from a package");
}
