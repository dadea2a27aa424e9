//! Real apps: pushed with the real git over both doors, run from what was released, pushed again, and broken.

use crate::harness::{Daemon, Pushed, User, WorkTree, page_of};

/// What a pack says that fetches packages for the first time.
const FETCHED: &str = ", 0 of them from the cache";

/// An app made of a fixture, on a daemon of its own.
struct App {
    daemon: Daemon,
    user: User,
    tree: WorkTree,
    name: String,
}

impl App {
    fn of(fixture: &str, buildpacks: &[&str]) -> Self {
        let daemon = Daemon::start();
        let user = daemon.user("alice@example.com");
        daemon.client(&user, &["apps:create", fixture]);
        for buildpack in buildpacks {
            daemon.client(&user, &["buildpacks:add", buildpack, "--app", fixture]);
        }
        Self { daemon, user, tree: WorkTree::of_fixture(fixture), name: fixture.to_owned() }
    }

    /// Pushes over SSH what is to be released; says what the pusher has to read.
    #[track_caller]
    fn push(&self, said: &[&str]) -> &Self {
        released(&self.tree.push_ssh(&self.daemon, &self.user, &self.name), said);
        self
    }

    /// Pushes the same tree over HTTP. The same slug comes of it, made with what the cache holds. Gives what the pusher reads.
    #[track_caller]
    fn push_again(&self, said: &[&str]) -> String {
        let first = self.daemon.newest_slug(&self.user, &self.name);
        self.tree.commit("the same tree again");
        let pushed = self.tree.push_http(&self.daemon, &self.user, &self.name);
        released(&pushed, said);
        let second = self.daemon.newest_slug(&self.user, &self.name);
        assert_eq!(second["checksum"], first["checksum"], "{}", pushed.transcript);
        assert_ne!(second["commit"], first["commit"]);
        for line in pushed.transcript.lines().filter(|line| line.contains(" Debian packages to ")) {
            let counts: Vec<u32> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
            assert!(matches!(counts[..], [all, kept] if all == kept), "{line}");
        }
        pushed.transcript
    }

    /// A page of what runs.
    #[track_caller]
    fn serves(&self, path: &str, expected: &str) -> &Self {
        let page = page_of(&self.daemon, &self.user, &self.name, path);
        assert!(page.contains(expected), "{page}");
        self
    }

    /// Changes a file, or makes it.
    fn change(&self, file: &str, change: impl FnOnce(String) -> String) -> &Self {
        let before = std::fs::read_to_string(self.tree.path().join(file)).unwrap_or_default();
        let after = change(before.clone());
        assert_ne!(after, before, "{file} is to change");
        self.tree.write(file, &after);
        self.tree.commit(&format!("change {file}"));
        self
    }

    /// Pushes a change of a file that is to be refused, and takes it back.
    #[track_caller]
    fn refuses(&self, file: &str, change: impl FnOnce(String) -> String, said: &str) -> &Self {
        self.change(file, change).refused(&[], said);
        self.tree.git(&["reset", "-q", "--hard", "HEAD~"]);
        self
    }

    /// Pushes, with a cache that holds nothing, with config vars that keep the build from where packages are.
    #[track_caller]
    fn refuses_without(&self, config: &[&str]) -> &Self {
        let config: Vec<_> = config.iter().map(|var| format!("-oconfig:{var}")).collect();
        let options: Vec<_> = std::iter::once("-ocache=clear").chain(config.iter().map(String::as_str)).collect();
        self.tree.commit("nowhere to be had");
        self.refused(&options, "A server with packages could not be reached. This is most likely not your app's fault:")
    }

    #[track_caller]
    fn refused(&self, options: &[&str], said: &str) -> &Self {
        let releases = self.daemon.releases(&self.user, &self.name);
        let pushed = self.tree.push(&self.daemon, &self.user, &self.name, &[options, &["main"]].concat());
        assert!(!pushed.ok && pushed.transcript.contains("failed to compile"), "{}", pushed.transcript);
        says(&pushed, &[said]);
        assert_eq!(self.daemon.releases(&self.user, &self.name), releases);
        self
    }
}

#[track_caller]
fn released(pushed: &Pushed, said: &[&str]) {
    assert!(pushed.ok, "{}", pushed.transcript);
    says(pushed, said);
}

#[track_caller]
fn says(pushed: &Pushed, said: &[&str]) {
    for text in said {
        assert!(pushed.transcript.contains(text), "no `{text}` in {}", pushed.transcript);
    }
}

/// A change that puts one text in another's place.
fn replacing(old: &'static str, new: &'static str) -> impl FnOnce(String) -> String {
    move |text| text.replace(old, new)
}

/// A change that leaves nothing but a text.
fn only(text: &'static str) -> impl FnOnce(String) -> String {
    move |_| text.to_owned()
}

#[test]
fn express() {
    let app = App::of("nodejs-express", &[]);
    app.push(&["Node.js app detected", "of the stack (engines.node: >=18)", "Running build"]);
    app.serves("/", "Hello from Express, built");
    app.push_again(&["Nothing changed in package-lock.json: using node_modules of the last build"]);
    app.refuses("package.json", replacing("4.21.2", "4.21.1"), "If package.json and package-lock.json do not agree");
    app.refuses("package.json", replacing(">=18", "newest please"), r#""newest please", is not a version"#);
    app.refuses("package.json", replacing(">=18", "0.0.1"), "Node.js 0.0.1 could not be installed; the stack has v18");
    app.refuses("build.js", only("process.exit(3)\n"), r#"The script "build" of package.json failed."#);
    app.refuses_without(&["npm_config_registry=http://127.0.0.1:9/", "npm_config_fetch_retries=0"]);
}

#[test]
fn node_of_another_version_than_the_stacks() {
    let app = App::of("nodejs-express", &[]);
    app.change("package.json", replacing("\">=18\"", "\"22.x\"")).change("package-lock.json", replacing("\">=18\"", "\"22.x\""));
    app.push(&["Node.js v22."]).serves("/", "Hello from Express, built");
}

#[test]
fn flask() {
    let app = App::of("python-flask", &[]);
    app.push(&["Python app detected", "of the stack (.python-version: 3.11)", "Installing"]);
    app.serves("/", "Hello from Flask");
    app.push_again(&["Nothing changed in requirements.txt: starting from the last build's packages"]);
    app.refuses("requirements.txt", only("flask==0.0.0.1\n"), "The packages of requirements.txt could not be installed.");
    app.refuses_without(&["PIP_INDEX_URL=http://127.0.0.1:9/", "PIP_RETRIES=1"]);
}

#[test]
fn django() {
    let app = App::of("python-django", &[]);
    app.push(&["Collecting static files", "1 static file copied"]).serves("/style.css", "body { color: green }");
}

#[test]
fn ruby() {
    let app = App::of("ruby-rack", &[]);
    app.push(&["Ruby app detected", "of the stack, Bundler", "From vendor/cache"]).serves("/", "Hello from Ruby 3");
    app.push_again(&["Starting from the last build's gems"]);
    app.refuses("Gemfile", replacing("~> 3.1", "3.4.1"), "your Gemfile specified 3.4.1");
    app.tree.git(&["rm", "-q", "Gemfile.lock"]);
    app.tree.commit("unlocked");
    app.refused(&[], "There is a Gemfile, but no Gemfile.lock.");
}

#[test]
fn rails_assets() {
    let app = App::of("ruby-assets", &[]);
    app.push(&["Precompiling assets"]).serves("/built-for", "production postgresql://user:pass@127.0.0.1/dbname");
}

#[test]
fn go() {
    let app = App::of("go-http", &[]);
    app.push(&["Go app detected", FETCHED, "(go.mod: 1.21", "Built bin/web", "Default types for buildpack -> web"]);
    app.serves("/", "Hello from Go").push_again(&[]);
    // Of the same size, as files are of the same time.
    app.change("cmd/web/main.go", |text| {
        text.replace("\"fmt\"", "\"io\"")
            .replace("fmt.Fprintln(answer, ", "io.WriteString(answer,")
            .replace("(\"Go\")", "(\"IO\")")
    });
    app.push(&[]).serves("/", "Hello from IO");
    app.refuses("vendor/example.com/words/words.go", replacing("string {", "int {"), "The app could not be built.");
    app.refuses_without(&["http_proxy=http://127.0.0.1:9/", "https_proxy=http://127.0.0.1:9/"]);
}

#[test]
fn rust() {
    let app = App::of("rust-http", &[]);
    app.push(&["Rust app detected", FETCHED, "Compiling tiny_http", "Built target/release/hello"]).serves("/", "Hello from Rust");
    let again = app.push_again(&["Finished `release` profile"]);
    assert!(!again.contains("Compiling tiny_http"), "{again}");
    app.change("src/main.rs", replacing("from Rust", "from Iron")).push(&["Compiling hello"]).serves("/", "Hello from Iron");
}

#[test]
fn php() {
    let app = App::of("php-page", &[]);
    app.push(&["PHP app detected", FETCHED, "Generating optimized autoload files"])
        .serves("/any/path", "Hello from PHP, 2 processes");
    app.push_again(&[]);
    app.change("src/Greeting.php", replacing("Hello", "Howdy")).push(&[]).serves("/", "Howdy from PHP");
    app.change("Procfile", only("web: heroku-php-apache2 .\n")).push(&[]).serves("/composer.json", "404 Not Found");
    app.change("composer.json", replacing(">=8.1", "^5.6")).change("composer.lock", replacing(">=8.1", "^5.6"));
    app.refused(&[], r#"If the app asks for another PHP, change "php" in composer.json to allow 8."#);
}

#[test]
fn java() {
    let app = App::of("java-maven", &[]);
    app.push(&["Java app detected", FETCHED, "OpenJDK 17", "mvn -DskipTests", "BUILD SUCCESS"]);
    app.serves("/", "Hello from Java 17, which trusts 100 or more authorities").push_again(&[]);
    app.change("src/main/java/hello/Web.java", replacing("Hello", "Howdy")).push(&[]).serves("/", "Howdy from Java 17");
    app.refuses("src/main/java/hello/Web.java", only("class {\n"), "Maven could not build the app.");
    app.refuses(
        "system.properties",
        only("java.runtime.version=99\n"),
        "The app asks for Java 99 in system.properties, but this stack's packages have 17.",
    );
}

#[test]
fn gradle() {
    let app = App::of("java-gradle", &[]);
    app.push(&["Gradle app detected", FETCHED, "OpenJDK 17", "gradle stage"]).serves("/", "Hello from Gradle and Java 17");
    app.push_again(&[]);
    app.change("src/main/java/hello/Web.java", replacing("Hello", "Howdy")).push(&[]).serves("/", "Howdy from Gradle");
    app.refuses("build.gradle", replacing("task stage", "task last"), "There is no task called stage");
}

#[test]
fn clojure() {
    let app = App::of("clojure-lein", &[]);
    app.push(&["Clojure app detected", FETCHED, "Running uberjar", "Built target/hello.jar"]).serves("/", "Hello from Clojure 1");
    app.push_again(&[]);
    app.change("src/hello/web.clj", replacing("Hello", "Howdy")).push(&[]).serves("/", "Howdy from Clojure 1");
}

#[test]
fn scala() {
    let app = App::of("scala-web", &[]);
    app.push(&["Scala app detected", FETCHED, "Scala 2.11.12 of Debian's packages"]).serves("/", "Hello from Scala 2.11.12");
    app.push_again(&[]);
    app.change("src/main/scala/hello/Web.scala", replacing("Hello", "Howdy")).push(&[]).serves("/", "Howdy from Scala");
    app.refuses("src/main/scala/hello/Web.scala", only("object {\n"), "The app could not be compiled.");
}

#[test]
fn static_site() {
    let app = App::of("static-site", &[]);
    app.push(&["app detected"]).serves("/about", "About this site").push_again(&[]);
}

#[test]
fn procfile_only() {
    let app = App::of("procfile-only", &[]);
    app.push(&["Procfile declares types"]).serves("/hello.html", "Hello").push_again(&[]);
}

#[test]
fn two_buildpacks() {
    let app = App::of("two-buildpacks", &["hoist/nodejs", "hoist/python"]);
    app.push(&["1. hoist/nodejs", "2. hoist/python"]).serves("/", "Served by Python: BuiltByNode").push_again(&[]);
}
