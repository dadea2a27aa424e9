//! `hoist container:…`: what it asks of docker, and what it says where docker is not or does not want to.

use std::os::unix::fs::PermissionsExt as _;

use insta::assert_snapshot;

use crate::cli::Desk;

/// Stands in for docker: shows how it was called, and says of its standard input how long it is.
const SAYS_ITS_ARGUMENTS: &str = "#!/bin/sh\n[ \"$1\" = --version ] || { echo \"docker $*\"; wc -c; }\n";

impl Desk {
    /// A program of the user's own, and its path.
    fn program(&self, script: &str) -> String {
        let path = self.home.path().join("docker");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn the_token_reaches_docker_and_nobody_else() {
    let desk = Desk::new().await;
    let docker = desk.program(SAYS_ITS_ARGUMENTS);
    let ran = desk.run(&["container:login", "-v", "--docker", &docker]).await;
    let token = desk.user.token.expose();
    assert!(!ran.all().contains(token), "it stands in no argument");
    assert_eq!(
        ran.all().replace(&token.len().to_string(), "ALL"),
        "HOME/docker login --username=_ --password-stdin HOST\ndocker login --username=_ --password-stdin HOST\nALL\n"
    );
    assert_snapshot!(desk.run(&["container:logout", "--docker", &docker]).await.all(), @"");
}

#[tokio::test]
async fn without_docker_it_is_told_what_to_install() {
    let desk = Desk::new().await;
    // An empty PATH.
    assert_snapshot!(desk.run(&["container:login"]).await.all(), @"");
    let token = desk.user.token.expose();
    let env = [("HOIST_API_KEY", token), ("HOIST_DOCKER", "/nowhere/podman")];
    assert_snapshot!(desk.run_with(&["container:login"], &env).await.all(), @"");
}

#[tokio::test]
async fn when_docker_fails_its_exit_code_is_told() {
    let desk = Desk::new().await;
    let docker = desk.program("#!/bin/sh\n[ \"$1\" = --version ] || exit 7\n");
    assert_snapshot!(desk.run(&["container:login", "--docker", &docker]).await.all(), @"");
}

#[tokio::test]
async fn plain_http_elsewhere_is_named_as_what_may_be_wrong() {
    let desk = Desk::new().await;
    let docker = desk.program("#!/bin/sh\n[ \"$1\" = --version ] || exit 1\n");
    let env = [("HOIST_API_KEY", "token"), ("HOIST_URL", "http://hoist.example.com")];
    assert_snapshot!(desk.run_with(&["container:login", "--docker", &docker], &env).await.all(), @"");
}

#[tokio::test]
async fn apps_of_buildpacks_have_no_images() {
    let desk = Desk::new().await;
    desk.run(&["create", "shop"]).await;
    assert_snapshot!(desk.run(&["container:push", "web", "-a", "shop"]).await.all(), @"");
    assert_snapshot!(desk.run(&["container:rm", "web", "-a", "shop"]).await.all(), @"");
    assert_snapshot!(desk.run(&["container:push", "-a", "shop"]).await.all(), @"");
    assert_snapshot!(desk.run(&["container:push", "web", "worker", "-a", "shop"]).await.all(), @"");
}
