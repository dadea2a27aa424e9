//! What packs may count on: Heroku's classic contract.

use super::{DETECT, Shop};
use crate::harness::{Daemon, Docker};

/// A pack's script that prints what it was given.
const TELL: &str = r#"#!/bin/bash
echo "       $(basename "$0"): cwd is $([ "$PWD" -ef "$(dirname "$0")/.." ] && echo the pack), HOME=$HOME, DYNO=$DYNO, STACK=$STACK, SOURCE_VERSION=${SOURCE_VERSION:0:4}"
echo "       $(basename "$0"): $# arguments: $(for folder; do ls -A "$folder" | tr '\n' ' '; echo -n '; '; done)"
echo "       $(basename "$0"): GREETING=$GREETING, FIRST=$FIRST"
"#;

#[test]
fn scripts_see_what_they_see_at_heroku_whatever_they_run_in() {
    let docker =
        Docker::get().map(|docker| format!("engine = \"docker\"\n[docker]\nhost = \"unix://{}\"\n", docker.socket().display()));
    for config in std::iter::once(String::new()).chain(docker) {
        tell_what_scripts_see(&Shop::of(Daemon::start_with(&config)));
    }
}

fn tell_what_scripts_see(shop: &Shop) {
    shop.tree.write_program("first/bin/detect", &TELL.replace("#!/bin/bash\n", "#!/bin/bash\necho First\n"));
    shop.tree.write_program("first/bin/compile", &format!("{TELL}echo cached > $2/left\necho 'export FIRST=\"a b\"' > export\n"));
    shop.tree.write_program("second/bin/detect", DETECT);
    shop.tree.write_program(
        "second/bin/compile",
        &format!("{TELL}cat $3/GREETING; echo\nmkdir -p /app/.made && echo made > /app/.made/file && cat /app/.made/file\n"),
    );
    shop.tree.write_program(
        "second/bin/release",
        "#!/bin/bash\necho 'default_process_types:'\necho \"  web: run '${FIRST:-nothing}'\"\n",
    );
    shop.client(&["config:set", "GREETING=hi there"]);
    shop.client(&["buildpacks:set", "./first"]);
    shop.client(&["buildpacks:add", "./second"]);
    let commit = &shop.tree.commit("now")[..4];
    let said = super::Said(shop.tree.push_http(&shop.daemon, &shop.user, "shop"));
    let compile = format!("compile: cwd is the pack, HOME=/app, DYNO=build.1, STACK=debian-12, SOURCE_VERSION={commit}\n");
    said.released_with(&[
        "-----> First app detected\n",
        &compile,
        "compile: 3 arguments: README first second ; ; GREETING ;\n",
        "compile: GREETING=, FIRST=\n",
        "compile: 3 arguments: README first second ; left ; GREETING ;\n",
        "compile: GREETING=, FIRST=a b\n",
        "[GREETING]\n",
        "made\n",
        "Default types for buildpack -> web\n",
    ]);
    let formation = shop.daemon.newest_slug(&shop.user, "shop");
    assert_eq!(formation["process_types"]["web"], "run 'nothing'", "exports are not for bin/release");
    shop.push().released_with(&["compile: 3 arguments: README first second ; left ; GREETING ;\n"]);
}

#[test]
fn a_folder_that_is_no_pack_is_told_of() {
    let shop = Shop::new();
    shop.tree.write("pack/README", "nothing\n");
    shop.set("./pack");
    shop.push().refused_with(&[
        " !     ./pack is no buildpack: it has no bin/detect.\n",
        " !     A buildpack has bin/detect and bin/compile. Check the name, or set another one with `hoist buildpacks:set`.\n",
    ]);
    shop.tree.write_program("pack/bin/detect", DETECT);
    shop.push().refused_with(&[" !     ./pack is no buildpack: it has no bin/compile.\n"]);
    shop.tree.write("pack/bin/compile", "#!/bin/sh\n");
    shop.push().refused_with(&[
        " !     bin/compile of the buildpack ./pack is not executable.\n",
        " !     Have its author run `git update-index --chmod=+x bin/compile`, commit, and push again.\n",
    ]);
    shop.tree.write_program("pack/bin/compile", "#!/bin/sh\n");
    shop.push().released_with(&["-----> Pack app detected\n"]);
    shop.set("./nowhere");
    shop.push().refused_with(&[" !     There is no buildpack ./nowhere.\n", " !     It has to be a folder of what is pushed"]);
}
