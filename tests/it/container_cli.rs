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
        "HOME/docker login '--username=_' --password-stdin HOST\ndocker login --username=_ --password-stdin HOST\nALL\n"
    );
    assert_snapshot!(desk.run(&["container:logout", "--docker", &docker]).await.all(), @r#"
    docker logout HOST
    0
    "#);
}

#[tokio::test]
async fn without_docker_it_is_told_what_to_install() {
    let desk = Desk::new().await;
    let token = desk.user.token.expose();
    let env = [("HOIST_API_KEY", token), ("PATH", "/nowhere")];
    assert_snapshot!(desk.run_with(&["container:login"], &env).await.all(), @r#"
    [exit 1]
     ›   Error: Cannot find docker or podman. Install one of them (https://docs.docker.com/engine/install/, or https://podman.io/docs/installation), or say with --docker or HOIST_DOCKER where it is.
    "#);
    let env = [("HOIST_API_KEY", token), ("HOIST_DOCKER", "/nowhere/podman")];
    assert_snapshot!(desk.run_with(&["container:login"], &env).await.all(), @r#"
    [exit 1]
     ›   Error: There is no program /nowhere/podman. Look at --docker and HOIST_DOCKER.
    "#);
}

#[tokio::test]
async fn when_docker_fails_its_exit_code_is_told() {
    let desk = Desk::new().await;
    let docker = desk.program("#!/bin/sh\n[ \"$1\" = --version ] || exit 7\n");
    assert_snapshot!(desk.run(&["container:login", "--docker", &docker]).await.all(), @r#"
    [exit 1]
     ›   Error: HOME/docker login exited with 7.
    "#);
}

#[tokio::test]
async fn plain_http_elsewhere_is_named_as_what_may_be_wrong() {
    let desk = Desk::new().await;
    let docker = desk.program("#!/bin/sh\n[ \"$1\" = --version ] || exit 1\n");
    let env = [("HOIST_API_KEY", "token"), ("HOIST_URL", "http://hoist.example.com")];
    assert_snapshot!(desk.run_with(&["container:login", "--docker", &docker], &env).await.all(), @r#"
    [exit 1]
     ›   Error: HOME/docker login exited with 1. hoist.example.com is reached over plain HTTP, which docker and podman refuse: give HOIST_URL an https:// address, or name hoist.example.com among the insecure registries of their configuration.
    "#);
}

#[tokio::test]
async fn apps_of_buildpacks_have_no_images() {
    let desk = Desk::new().await;
    desk.run(&["create", "shop"]).await;
    assert_snapshot!(desk.run(&["container:push", "web", "-a", "shop"]).await.all(), @r#"
    [exit 1]
     ›   Error: This command is for Docker apps only. Switch stacks by running hoist stack:set container. Or, to deploy shop with debian-12, run git push hoist main instead.
    "#);
    assert_snapshot!(desk.run(&["container:rm", "web", "-a", "shop"]).await.all(), @r#"
    [exit 1]
     ›   Error: This command is for Docker apps only.
    "#);
    assert_snapshot!(desk.run(&["container:push", "-a", "shop"]).await.all(), @r#"
    [exit 1]
     ›   Error: Requires either --recursive or one or more process types
    "#);
    assert_snapshot!(desk.run(&["container:push", "web", "worker", "-a", "shop"]).await.all(), @r#"
    [exit 1]
     ›   Error: Requires exactly one target process type, or --recursive option
    "#);
}
