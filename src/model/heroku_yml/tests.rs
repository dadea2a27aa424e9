use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<HerokuYml, String> {
    HerokuYml::parse(text.as_bytes()).map_err(|Invalid(why)| why)
}

fn name(text: &str) -> ProcessType {
    text.parse().unwrap()
}

/// `web in web: CMD`, one a line.
fn processes(text: &str) -> Vec<String> {
    let line = |(name, process): (ProcessType, Process)| {
        format!("{name} in {}: {}", process.image, process.command.as_deref().unwrap_or("CMD"))
    };
    parse(text).unwrap().processes.into_iter().map(line).collect()
}

/// The example of the Dev Center.
const WHOLE: &str = r"
setup:
  addons:
    - plan: heroku-postgresql
      as: DATABASE
  config:
    S3_BUCKET: my-example-bucket
build:
  docker:
    web: Dockerfile
    worker: worker/Dockerfile
  config:
    RAILS_ENV: development
    FOO: bar
release:
  command:
    - ./deployment-tasks.sh
  image: worker
run:
  web: bundle exec puma -C config/puma.rb
  worker: python myworker.py
  asset-syncer:
    command:
      - python asset-syncer.py
    image: worker
";

#[test]
fn the_documented_example() {
    let file = parse(WHOLE).unwrap();
    assert_eq!(
        (file.setup.addons[0].plan.as_str(), file.setup.addons[0].alias.as_deref()),
        ("heroku-postgresql", Some("DATABASE"))
    );
    assert_eq!(file.setup.config[&"S3_BUCKET".parse().unwrap()].expose(), "my-example-bucket");
    assert_eq!(file.build_args[&"RAILS_ENV".parse().unwrap()], "development");
    assert_eq!((file.images[&name("worker")].folder(), file.images[&name("worker")].file_name()), ("worker", "Dockerfile"));
    assert_eq!((file.images[&name("web")].folder(), file.images[&name("web")].as_str()), ("", "Dockerfile"));
    assert_eq!(
        processes(WHOLE),
        [
            "asset-syncer in worker: python asset-syncer.py",
            "release in worker: ./deployment-tasks.sh",
            "web in web: bundle exec puma -C config/puma.rb",
            "worker in worker: python myworker.py",
        ]
    );
}

#[test]
fn an_image_runs_its_own_command_unless_run_says_otherwise() {
    assert_eq!(processes("build: {docker: {web: Dockerfile}}"), ["web in web: CMD"]);
    let text = "build: {docker: {web: a/Dockerfile, clock: b/Dockerfile}}\nrun: {web: serve, clock: {image: web}, job: work}";
    assert_eq!(processes(text), ["clock in web: CMD", "job in web: work", "web in web: serve"]);
    let text = "build: {docker: {app: Dockerfile}}\nrelease: {command: [migrate, seed]}\nrun: {web: serve}";
    assert_eq!(processes(text), ["app in app: CMD", "release in app: migrate && seed", "web in app: serve"]);
}

#[test]
fn variables_may_be_shared_and_need_no_quotes_where_it_is_clear() {
    let text =
        "setup: {config: &all {A: 1, B: true}}\nbuild: {docker: {web: ./Dockerfile}, config: {<<: *all, C: '1.10', A: -2}}";
    let file = parse(text).unwrap();
    let args: Vec<_> = file.build_args.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(args, ["A=-2", "B=true", "C=1.10"]);
    assert_eq!(file.images[&name("web")].as_str(), "Dockerfile");
}

#[test]
fn what_is_wrong_is_named_by_its_place() {
    let docker = "build: {docker: {web: Dockerfile}}";
    for (text, words) in [
        ("", "missing field `build`"),
        ("[]", "invalid type: sequence"),
        ("build: {}", "build.docker: no image is to be built; name one, as in `web: Dockerfile`"),
        ("build: {docker: {web: 1}}", "build.docker.web: invalid type: integer `1`"),
        ("build: {docker: {web: ../Dockerfile}}", "build.docker.web: `../Dockerfile` is not the path of a Dockerfile"),
        ("build: {docker: {web: /Dockerfile}}", "build.docker.web: `/Dockerfile` is not the path"),
        ("build: {docker: {web: app/}}", "build.docker.web: `app/` is not the path of a Dockerfile: it names a folder"),
        ("build: {docker: {'a b': Dockerfile}}", "build.docker.a b: `a b` is not a process type name"),
        ("build: {languages: [ruby]}", "build.languages: hoist builds Dockerfiles only"),
        ("build: {packages: [curl]}", "build.packages: hoist builds Dockerfiles only"),
        ("build: {dcker: {}}", "build.dcker: unknown field `dcker`"),
        (&format!("{docker}\nruns: {{}}"), "unknown field `runs`"),
        (&format!("{docker}\nrun: {{web: [a]}}"), "run.web: invalid type: sequence, expected a command, or a map"),
        (&format!("{docker}\nrun: {{web: ''}}"), "run.web: the command is empty"),
        (&format!("{docker}\nrun: {{web: {{comand: x}}}}"), "run.web.comand: unknown field `comand`"),
        (
            &format!("{docker}\nrun: {{job: {{command: x, image: worker}}}}"),
            "run.job.image: build.docker has no `worker`; it has: web",
        ),
        (&format!("{docker}\nrelease: {{image: web}}"), "release: missing field `command`"),
        (&format!("{docker}\nrelease: {{command: []}}"), "release.command: the list is empty"),
        (&format!("{docker}\nsetup: {{addons: [{{as: X}}]}}"), "setup.addons[0]: missing field `plan`"),
        (&format!("{docker}\nsetup: {{config: {{A-B: x}}}}"), "setup.config.A-B: `A-B` is not a config var name"),
        (&format!("{docker}\nsetup: {{config: {{A: 1.10}}}}"), "setup.config.A: invalid type: floating point"),
        (
            "build: {docker: {a: A, b: B}}\nrun: {c: x}",
            "run.c: say in which image it runs, as in `image: NAME`; build.docker has: a, b",
        ),
        ("build: [", "line 2"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
    }
    assert_eq!(HerokuYml::parse(b"\xff").unwrap_err().0, "it is not UTF-8 text");
    assert_eq!(HerokuYml::parse(&vec![b' '; HerokuYml::MAX_BYTES + 1]).unwrap_err().0, "it is longer than 65536 bytes");
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, of) in ('b'..'k').zip('a'..) {
        use std::fmt::Write as _;
        writeln!(text, "{name}: &{name} [*{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}]").unwrap();
    }
    assert!(parse(&text).unwrap_err().contains("repetition limit"), "{:?}", parse(&text));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_in_words(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(Invalid(why)) = HerokuYml::parse(&text) {
            prop_assert!(!why.is_empty());
        }
    }

    #[test]
    fn a_dockerfile_never_climbs_out(path in "[a./]{0,12}") {
        if let Ok(path) = DockerfilePath::try_from(path) {
            prop_assert!(path.as_str().split('/').all(|part| !matches!(part, "" | "." | "..")));
        }
    }
}
