//! What a pusher may try by what is pushed: with no engine that keeps strangers apart does it succeed, and all say the same.

use crate::engine_docker::config;
use crate::harness::{Daemon, Docker, User, WorkTree};

/// An app with a pack of its own, with each engine.
struct Shop {
    daemon: Daemon,
    user: User,
    tree: WorkTree,
}

fn shops(limits: &str) -> Vec<Shop> {
    let docker = Docker::get().map(config);
    let open = |engine: String| {
        let daemon = Daemon::start_with(&format!("{engine}[limits]\n{limits}"));
        let user = daemon.user("alice@example.com");
        daemon.client(&user, &["apps:create", "shop"]);
        daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
        Shop { daemon, user, tree: WorkTree::with_pack("null") }
    };
    std::iter::once(String::new()).chain(docker).map(open).collect()
}

impl Shop {
    /// Pushes the app with a pack that does this; returns what was said of it if it is released, or everything.
    fn push(&self, compile: &str) -> Result<String, String> {
        self.tree.write_program("pack/bin/compile", &format!("#!/bin/bash\n{compile}\n"));
        self.tree.commit("another");
        let pushed = self.tree.push_http(&self.daemon, &self.user, "shop");
        let said = pushed.transcript.replace("remote: ", "").replace("remote:", "");
        if !pushed.ok {
            return Err(said);
        }
        let (_, compiled) = said.split_once("Null app detected\n").unwrap();
        Ok(compiled.split_once("-----> Discovering process types\n").unwrap().0.to_owned())
    }

    fn run(&self, script: &str) -> String {
        self.daemon.client(&self.user, &["run", "--no-tty", "--app", "shop", script])
    }
}

#[test]
fn links_in_source_slug_and_cache_lead_nowhere() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "the host's own\n").unwrap();
    for shop in shops("") {
        let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, shop.tree.path().join(name)).unwrap();
        let target = secret.path().to_str().unwrap();
        for name in ["Procfile", ".slugignore", "app.json", "heroku.yml", "absolute"] {
            link(target, name);
        }
        link(&format!("../../../../..{target}"), "climbing");
        let compile = "cd \"$1\"; cat Procfile absolute climbing 2> /dev/null
            ln -s / root; ln README hard; ln /etc/shadow shadow 2> /dev/null; mkfifo pipe; chmod 6755 README
            ls -A \"$2\"; echo kept > \"$2/kept\"; rm -r \"$2\"; ln -s /etc \"$2\"";
        for _ in ["first", "another, which finds what the first has kept"] {
            assert_eq!(shop.push(compile).as_deref(), Ok(""));
        }
        let found = shop.run(
            "cat Procfile absolute climbing root$HOME/absolute 2> /dev/null
             find . -path ./pack -prune -o -type f -printf '%P %m %n\\n' | sort",
        );
        assert_eq!(found, "README 755 1\nhard 755 1\n");

        // Nor does a link that takes the app's place.
        let said = shop.push("rm -r \"$1\"; ln -s /etc \"$1\"").unwrap_err();
        assert!(said.contains("has become a symbolic link to /etc.") && said.contains("pre-receive hook declined"), "{said}");
        assert_eq!(shop.daemon.releases(&shop.user, "shop").len(), 3);
    }
}

#[test]
fn the_daemons_own_ports_and_files_are_not_there() {
    for shop in shops("") {
        let ports = [&shop.daemon.http, &shop.daemon.ssh].map(|address| address.rsplit_once(':').unwrap().1);
        let data_dir = shop.daemon.data_dir().display();
        let compile = format!(
            "for port in {} {}; do (exec 3<> /dev/tcp/127.0.0.1/$port) 2> /dev/null && echo reached $port; done
             ls {data_dir} /proc/*/root{data_dir} /proc/*/cwd/hoist.toml 2> /dev/null
             env | grep -i -e hoist -e api_key; echo tried",
            ports[0], ports[1]
        );
        assert_eq!(shop.push(&compile).as_deref(), Ok("tried\n"));
    }
}

#[test]
fn a_log_without_end_costs_no_more_than_its_limit() {
    const LIMIT: usize = 1 << 20;
    const MEMORY_BYTES: u64 = 48 << 20;
    for shop in shops(&format!("log_bytes = {LIMIT}\n")) {
        let before = shop.daemon.peak_memory();
        // Many lines, and then one that is as long as all of them.
        shop.push("yes | head -c 8M; head -c 64M /dev/zero | tr '\\0' x; echo; echo the end of it").unwrap();
        let grown = shop.daemon.peak_memory() - before;
        assert!(grown < MEMORY_BYTES, "{grown} bytes of memory more");
        let builds = shop.daemon.get(&shop.user, "/apps/shop/builds");
        let url = builds[0]["output_stream_url"].as_str().unwrap();
        let log = ureq::get(url).call().unwrap().body_mut().read_to_string().unwrap();
        assert!(log.len() < LIMIT + LIMIT / 2, "{} bytes", log.len());
        assert!(log.contains("of the log were dropped here: it is too long.") && log.contains("the end of it"));
    }
}
