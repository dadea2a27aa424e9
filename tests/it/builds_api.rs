//! Builds of archives: uploaded or fetched, over the API and with hoist's own client.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use insta::assert_snapshot;
use serde_json::{Value, json};
use ureq::SendBody;

use crate::harness::{Daemon, Gated, User, normalise, until};
use crate::harness::{WorkTree, fixture};

const LOCAL: &str = "engine = \"local\"\n";

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// Sends a request as a user.
pub(crate) fn send(daemon: &Daemon, user: &User, method: &str, path: &str, body: &Value) -> Answer {
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("http://{}{path}", daemon.http))
        .header("authorization", format!("Bearer {}", user.token))
        .body(body.to_string())
        .unwrap();
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).allow_non_standard_methods(true).build().into();
    let mut answer = agent.run(request).unwrap();
    Answer { status: answer.status().as_u16(), body: answer.body_mut().read_json().unwrap() }
}

/// Gets a text with one more header; returns the status, the header asked for and the text.
fn get(url: &str, header: (&str, &str), wanted: &str) -> (u16, String, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut answer = agent.get(url).header(header.0, header.1).call().unwrap();
    let wanted = answer.headers().get(wanted).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    (answer.status().as_u16(), wanted, answer.body_mut().read_to_string().unwrap())
}

/// A `.tar.gz` of a folder, by the system's tar, with everything below `app-main/` as in GitHub's archives.
pub(crate) fn archive_of(dir: &Path) -> Vec<u8> {
    let output = Command::new("tar")
        .args(["-czf", "-", "--transform", "s,^\\.,app-main,", "--exclude", "./.git", "."])
        .current_dir(dir)
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// An app with a buildpack of its own that does nothing.
fn app_archive() -> Vec<u8> {
    let tree = WorkTree::with_pack("null");
    tree.write("Procfile", "web: run me\n");
    archive_of(tree.path())
}

fn daemon_with_app(config: &str) -> (Daemon, User) {
    let daemon = Daemon::start_with(config);
    let user = daemon.user("alice@example.com");
    daemon.client(&user, &["apps:create", "shop"]);
    daemon.client(&user, &["buildpacks:set", "./pack", "--app", "shop"]);
    (daemon, user)
}

/// Uploads an archive and returns the URL to build.
pub(crate) fn upload(daemon: &Daemon, user: &User, archive: &[u8]) -> String {
    let source = send(daemon, user, "POST", "/sources", &json!({}));
    assert_eq!(source.status, 201);
    let url = |name: &str| source.body["source_blob"][name].as_str().unwrap().to_owned();
    let put = ureq::put(url("put_url")).send(archive).unwrap();
    assert_eq!(put.status(), 200);
    url("get_url")
}

/// Builds a source and returns the build, ended, and its log.
fn build(daemon: &Daemon, user: &User, source_blob: &Value) -> (Value, String) {
    let made = send(daemon, user, "POST", "/apps/shop/builds", &json!({ "source_blob": source_blob }));
    assert_eq!(made.status, 201, "{}", made.body);
    let (_, _, log) = get(made.body["output_stream_url"].as_str().unwrap(), ("accept", "*/*"), "");
    let build = daemon.get(user, &format!("/apps/shop/builds/{}", made.body["id"].as_str().unwrap()));
    (build, normalise(&log))
}

#[test]
fn an_uploaded_archive_becomes_a_release() {
    let (daemon, user) = daemon_with_app(LOCAL);
    let archive = app_archive();
    let url = upload(&daemon, &user, &archive);
    let mut back = Vec::new();
    ureq::get(&url).call().unwrap().body_mut().as_reader().read_to_end(&mut back).unwrap();
    assert_eq!(back, archive);

    let (built, log) = build(&daemon, &user, &json!({"url": url, "version": "v1.2", "version_description": "the second"}));
    assert_snapshot!(log, @r#"
    -----> Building on the debian-12 stack
    -----> Using buildpack: ./pack
    -----> Null app detected
    -----> Discovering process types
           Procfile declares types -> web

    -----> Compressing...
           Done: SIZE
    -----> Launching...
           Released v2
           shop deployed to hoist
    -----> Built in TIME
    "#);
    assert_eq!((&built["status"], &built["source_blob"]["version"]), (&json!("succeeded"), &json!("v1.2")), "{built}");
    assert_eq!(built["source_blob"]["version_description"], "the second");
    assert_eq!(built["buildpacks"], json!([{"name": "./pack", "url": "urn:buildpack:./pack"}]));
    assert_eq!(daemon.releases(&user, "shop").last().unwrap(), &(2, "Deploy v1.2".to_owned()));
    let slug = daemon.newest_slug(&user, "shop");
    assert_eq!((&slug["id"], &slug["process_types"]), (&built["slug"]["id"], &json!({"web": "run me"})));

    let commit = "0123456789012345678901234567890123456789";
    build(&daemon, &user, &json!({"url": url, "version": commit}));
    assert_eq!(daemon.releases(&user, "shop").last().unwrap().1, "Deploy 01234567");
    assert_eq!(daemon.newest_slug(&user, "shop")["commit"], commit);
}

#[test]
fn an_upload_may_be_chunked_and_not_too_large() {
    let (daemon, user) = daemon_with_app("engine = \"local\"\n[limits]\nsource_bytes = 20000\n");
    let source = send(&daemon, &user, "POST", "/apps/shop/sources", &json!({})).body["source_blob"].clone();
    let (get_url, put_url) = (source["get_url"].as_str().unwrap(), source["put_url"].as_str().unwrap());
    let early = send(&daemon, &user, "POST", "/apps/shop/builds", &json!({"source_blob": {"url": get_url}}));
    assert_eq!(
        (early.status, early.body["message"].as_str().unwrap()),
        (422, "Nothing has been uploaded to this source yet: PUT it to the `put_url`.")
    );
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    // Without a length, the client sends it in chunks.
    let chunked = |bytes: usize| {
        let body = std::io::repeat(7).take(bytes as u64);
        agent.put(put_url).send(SendBody::from_owned_reader(body)).unwrap().status().as_u16()
    };
    assert_eq!(chunked(20_001), 413);
    assert_eq!(get(get_url, ("accept", "*/*"), "").0, 404, "nothing of it is kept");
    assert_eq!(agent.put(put_url).send(&vec![7; 20_001][..]).unwrap().status().as_u16(), 413);
    assert_eq!(chunked(20_000), 200);
    assert_eq!(get(get_url, ("accept", "*/*"), "content-length").1, "20000");
    // Who may read it may not put something else there.
    assert_eq!(agent.put(get_url).send(&b"x"[..]).unwrap().status().as_u16(), 404);
    assert_eq!(get(put_url, ("accept", "*/*"), "").0, 404);
}

#[test]
fn archives_that_cannot_be_built_say_why() {
    let (daemon, user) = daemon_with_app(LOCAL);
    let url = upload(&daemon, &user, b"no archive");
    let (built, log) = build(&daemon, &user, &json!({ "url": url }));
    assert_eq!((&built["status"], &built["release"]), (&json!("failed"), &Value::Null));
    assert_snapshot!(log, @r#"
    -----> Building on the debian-12 stack
     !     The source is not a whole .tar.gz archive: invalid gzip header.
     !     Make it with `tar czf`, or let `hoist builds:create` make it.

     !     Push failed
    "#);
    let url = upload(&daemon, &user, &app_archive());
    let checksum = format!("SHA256:{}", "0a".repeat(32));
    let (built, log) = build(&daemon, &user, &json!({"url": url, "checksum": checksum}));
    assert_eq!((&built["status"], &built["source_blob"]["checksum"]), (&json!("failed"), &json!(checksum)));
    assert!(log.contains("The source is not what its checksum says."), "{log}");
    assert_eq!(daemon.releases(&user, "shop").len(), 1);
    let tree = WorkTree::new();
    std::os::unix::fs::symlink("/etc/passwd", tree.path().join("secrets")).unwrap();
    let url = upload(&daemon, &user, &archive_of(tree.path()));
    let (_, log) = build(&daemon, &user, &json!({ "url": url }));
    assert!(log.contains("app-main/secrets can't be put into a build: the symbolic link leads out of the archive."), "{log}");
}

/// Answers every request on loopback, by its path: with the archive, a redirect to it, or an endless one.
fn serve(archive: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap() == 0 {
                    break;
                }
                head.push(byte[0]);
            }
            let path = String::from_utf8(head).unwrap().split(' ').nth(1).unwrap_or_default().to_owned();
            let redirect =
                |to: &str| format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let answer = match path.as_str() {
                "/app.tar.gz" => {
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", archive.len());
                    [head.as_bytes(), &archive].concat()
                }
                "/moved" => redirect("/app.tar.gz").into_bytes(),
                "/round" => redirect("/round").into_bytes(),
                // To what is not allowed, though this server itself is.
                "/inside" => redirect("http://127.0.0.2:1/").into_bytes(),
                _ => b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec(),
            };
            // Who does not read on has seen enough.
            let _ = stream.write_all(&answer);
        }
    });
    address
}

#[test]
fn an_archive_is_fetched_from_where_it_may_be() {
    let address = serve(app_archive());
    let (daemon, user) = daemon_with_app("engine = \"local\"\n[network]\nallow = [\"127.0.0.1/32\"]\n");
    let fetch = |path: &str| {
        let (built, log) = build(&daemon, &user, &json!({"url": format!("http://{address}{path}?signature=secret")}));
        assert!(!log.contains("signature"), "{log}");
        let reason = log.lines().find(|line| line.contains("can't be fetched")).unwrap_or_default().to_owned();
        (built["status"].as_str().unwrap().to_owned(), reason)
    };
    let plain = |path: &str| build(&daemon, &user, &json!({"url": format!("http://{address}{path}")}));
    for good in ["/app.tar.gz", "/moved"] {
        let (built, log) = plain(good);
        assert_eq!(built["status"], "succeeded", "{log}");
        assert!(log.starts_with("-----> Building on") && log.contains("-----> Fetching source from 127.0.0.1"), "{log}");
    }
    assert_eq!(daemon.releases(&user, "shop").last().unwrap().1, "Deploy source");
    assert_eq!(fetch("/nowhere"), ("failed".into(), " !     The source can't be fetched: the server answered 404.".into()));
    let (_, log) = plain("/round");
    assert!(log.contains("it is redirected more than 5 times"), "{log}");
    let (_, log) = plain("/inside");
    assert!(log.contains("127.0.0.2 is a private address, or this host's own"), "{log}");
}

#[test]
fn this_host_and_its_neighbours_are_not_reached_for_strangers() {
    let address = serve(app_archive());
    let (daemon, user) = daemon_with_app(LOCAL);
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let (built, log) = build(&daemon, &user, &json!({"url": format!("http://{host}:{}/app.tar.gz", address.port())}));
        assert_eq!(built["status"], "failed");
        assert!(log.contains("is a private address, or this host's own"), "{host}: {log}");
    }
    for url in ["file:///etc/passwd", "https://me:secret@example.com/x", "nothing"] {
        let refused = send(&daemon, &user, "POST", "/apps/shop/builds", &json!({"source_blob": {"url": url}}));
        assert_eq!((refused.status, &refused.body["id"]), (422, &json!("invalid_params")), "{url}");
    }
}

#[test]
fn a_running_build_is_cancelled_and_an_ended_one_is_not() {
    let gated = Gated::new();
    let (daemon, user) = (&gated.daemon, &gated.user);
    let url = upload(daemon, user, &archive_of(gated.tree.path()));
    let made = send(daemon, user, "POST", "/apps/shop/builds", &json!({"source_blob": {"url": url}}));
    let build = format!("/apps/shop/builds/{}", made.body["id"].as_str().unwrap());
    assert_eq!((&made.body["status"], &made.body["release"]), (&json!("pending"), &Value::Null));
    let stranger = daemon.user("bob@example.com");
    assert_eq!(send(daemon, &stranger, "DELETE", &build, &json!({})).status, 404);
    let cancelled = send(daemon, user, "DELETE", &build, &json!({}));
    assert_eq!((cancelled.status, &cancelled.body["status"]), (200, &json!("failed")));
    let (_, _, log) = get(made.body["output_stream_url"].as_str().unwrap(), ("accept", "*/*"), "");
    assert!(log.contains("The build was cancelled by alice@example.com. Nothing was released."), "{log}");
    let again = send(daemon, user, "DELETE", &build, &json!({}));
    assert_eq!((again.status, &again.body["id"]), (422, &json!("invalid_params")));
    // The queue is free for the next.
    gated.open_gate();
    let (built, log) = self::build(daemon, user, &json!({ "url": url }));
    assert_eq!(built["status"], "succeeded", "{log}");
}

#[test]
fn a_log_goes_on_where_its_reader_was() {
    let gated = Gated::new();
    let (daemon, user) = (&gated.daemon, &gated.user);
    let url = upload(daemon, user, &archive_of(gated.tree.path()));
    let made = send(daemon, user, "POST", "/apps/shop/builds", &json!({"source_blob": {"url": url}}));
    let stream = made.body["output_stream_url"].as_str().unwrap().to_owned();
    // While it grows: the reader of the rest waits for the end like any other.
    let rest = {
        let stream = stream.clone();
        thread::spawn(move || get(&stream, ("range", "bytes=7-"), "content-range"))
    };
    gated.until_builds(1, "pending");
    gated.open_gate();
    gated.until_builds(1, "succeeded");
    let (_, _, whole) = get(&stream, ("accept", "text/plain"), "");
    let (status, content_range, text) = rest.join().unwrap();
    assert_eq!((status, text.trim_start_matches('\0')), (206, &whole[7..]));
    assert!(content_range.starts_with("bytes 7-"), "{content_range}");

    // Archived, it has a length.
    until(|| get(&stream, ("range", "bytes=7-"), "content-range").1.ends_with(&format!("/{}", whole.len())));
    let end = format!("bytes={}-", whole.len());
    let nothing = get(&stream, ("range", &end), "content-range");
    assert_eq!(nothing, (416, format!("bytes */{}", whole.len()), String::new()));

    let (_, kind, events) = get(&stream, ("accept", "text/event-stream"), "content-type");
    assert_eq!(kind, "text/event-stream");
    let data: Vec<_> = events.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(data, whole.lines().collect::<Vec<_>>());
    let id = events.lines().filter_map(|line| line.strip_prefix("id: ")).nth(1).unwrap();
    let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
    let resume = |id: &str| {
        let mut answer = agent.get(&stream).header("accept", "text/event-stream").header("last-event-id", id).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    let (_, rest) = resume(id);
    assert!(events.ends_with(&rest) && rest.starts_with("id: "), "{rest}");
    assert_eq!(rest.matches("id: ").count() + 2, events.matches("id: ").count());
    assert_eq!(resume(&whole.len().to_string()), (204, String::new()), "a client that has all of it is not to ask again");
}

#[test]
fn a_build_may_have_buildpacks_of_its_own_and_the_cache_is_purged() {
    // In the sandbox: what is unpacked there is unpacked by others.
    let (daemon, user) = daemon_with_app("");
    let archive = archive_of(&fixture("apps/procfile-only"));
    let source_blob = json!({"url": upload(&daemon, &user, &archive)});
    let body = json!({"source_blob": source_blob, "buildpacks": [{"url": "urn:buildpack:hoist/procfile"}]});
    let made = send(&daemon, &user, "POST", "/apps/shop/builds", &body);
    let (_, _, log) = get(made.body["output_stream_url"].as_str().unwrap(), ("accept", "*/*"), "");
    assert!(log.contains("-----> Using buildpack: hoist/procfile"), "{log}");
    let unknown = json!({"source_blob": source_blob, "buildpacks": [{"name": "hoist/cobol"}]});
    assert_eq!(send(&daemon, &user, "POST", "/apps/shop/builds", &unknown).status, 422);
    let installed = daemon.get(&user, "/apps/shop/buildpack-installations");
    assert_eq!(installed[0]["buildpack"]["name"], "./pack", "only for that build");
    let purged = send(&daemon, &user, "DELETE", "/apps/shop/build-cache", &json!({}));
    assert_eq!((purged.status, purged.body), (200, json!({})));
}

/// Runs hoist's client in a folder; returns its exit code and everything that it printed.
fn client(daemon: &Daemon, user: &User, dir: &Path, args: &[&str]) -> (i32, String) {
    let mut command = daemon.hoist(args);
    command.current_dir(dir).env("HOIST_URL", format!("http://{}", daemon.http)).env("HOIST_API_KEY", &user.token);
    let output = command.env("HOIST_APP", "shop").stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), normalise(&(text(&output.stderr) + &text(&output.stdout))))
}

#[test]
fn hoists_own_client_builds_what_is_there_now() {
    let (daemon, user) = daemon_with_app(LOCAL);
    let tree = WorkTree::with_pack("null");
    let run = |args: &[&str]| client(&daemon, &user, tree.path(), args);
    let (code, text) = run(&["builds:create", "--version", "v9"]);
    assert_eq!(code, 0, "{text}");
    assert_snapshot!(text, @r#"
    Packing source... done
    Uploading source... done
    -----> Building on the debian-12 stack
    -----> Using buildpack: ./pack
    -----> Null app detected
    -----> Discovering process types
           Procfile declares types -> (none)

    -----> Compressing...
           Done: SIZE
    -----> Launching...
           Released v2
           shop deployed to hoist
    -----> Built in TIME

    Build ID succeeded
    "#);
    assert_eq!(daemon.releases(&user, "shop").last().unwrap().1, "Deploy v9");
    let (_, text) = run(&["builds:info"]);
    let text: Vec<_> = text.lines().filter(|line| !line.starts_with("When:") && !line.starts_with("Took:")).collect();
    assert_snapshot!(text.join("\n"), @r#"
    === Build ID

    Buildpacks: ./pack
    By:         alice@example.com
    Release:    v2
    Stack:      debian-12
    Status:     succeeded
    Version:    v9
    "#);
    assert!(run(&["builds:cancel"]).1.contains("has ended already: it has succeeded."));
    assert_eq!(run(&["builds:cache:purge", "-c", "shop"]), (0, "Purging the build cache of shop... done\n".into()));
    assert_eq!(run(&["builds:cache:purge", "-c", "other"]).0, 1);

    tree.write(".gitignore", "*.log\n");
    tree.write("debug.log", "ignored by git");
    tree.write(".slugignore", "doc\n");
    tree.write("doc/a.md", "left out of the slug");
    let (_, text) = run(&["builds:create"]);
    assert!(text.contains("-----> Deleting 1 files matching .slugignore patterns."), "{text}");

    std::fs::write(tree.path().join("app.tar.gz"), "no archive").unwrap();
    let (code, text) = run(&["builds:create", "--source-tar", "app.tar.gz"]);
    assert_eq!((code, text.lines().last()), (1, Some(" ›   Error: Build failed")), "{text}");
    let (code, text) = run(&["builds:create", "--source-url", "http://127.0.0.1:1/x.tar.gz"]);
    assert!(code == 1 && text.contains("127.0.0.1 is a private address"), "{text}");
}

#[test]
fn hoists_own_client_cancels_the_newest_build() {
    let gated = Gated::new();
    let (daemon, user) = (&gated.daemon, &gated.user);
    let url = upload(daemon, user, &archive_of(gated.tree.path()));
    send(daemon, user, "POST", "/apps/shop/builds", &json!({"source_blob": {"url": url}}));
    let (code, text) = client(daemon, user, daemon.data_dir(), &["builds:cancel"]);
    assert_eq!((code, text.as_str()), (0, "Cancelling build ID on shop... done\n"));
    assert!(client(daemon, user, daemon.data_dir(), &["builds:output"]).1.contains("was cancelled by alice@example.com"));
}
