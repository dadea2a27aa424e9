//! Environments that are started over a folder.

use std::io::{self, Read as _};
use std::path::Path;

use hoist::engine::{Engine, Environment, Exit, Groundwork, Kind, Spec};

use super::engine::{Fixture, MIB, sh, spec, tar_of};

const AT: &str = "/tmp/codon/tmp/cache";

/// Unpacks a cache as a build would have left it into `folder`.
async fn unpack(fixture: &Fixture, folder: &Path) {
    fixture.environment.put_in(AT, &tar_of(&[("kept", 0o644), ("a/", 0o755), ("a/b", 0o600)])[..]).await.unwrap();
    let tar = fixture.environment.take_out(AT).await.unwrap();
    fixture.engine.unpack_layer(tar, folder, AT).await.unwrap();
}

async fn start_over(engine: &Engine, folder: &Path, spec: Spec) -> Environment {
    engine.start_over(spec, Groundwork { layer: Some(folder), own: None }).await.unwrap()
}

async fn output_of(environment: &Environment, script: &str) -> (Exit, String) {
    let mut output = Vec::new();
    let exit = environment.run(sh(script), |_, piece| output.extend_from_slice(piece)).await.unwrap();
    (exit, String::from_utf8(output).unwrap())
}

#[tokio::test]
async fn what_is_below_is_there_and_stays_as_it_is() {
    let fixture = Fixture::start(Kind::Sandbox, spec()).await;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("files");
    unpack(&fixture, &folder).await;

    let (one, other) = (start_over(&fixture.engine, &folder, spec()).await, start_over(&fixture.engine, &folder, spec()).await);
    let look = format!("cd {AT} && find . -printf '%p %m %U\\n' | sort && cat kept a/b");
    let before = output_of(&one, &look).await;
    assert_eq!(before, (Exit::Code(0), ". 755 1000\n./a 755 1000\n./a/b 600 1000\n./kept 644 1000\nkepta/b".into()));
    assert!(!one.has_written(AT).await.unwrap(), "reading changes nothing");

    let change = format!("cd {AT} && rm kept && echo new > a/b && mkdir c && mv c d");
    assert_eq!(output_of(&one, &change).await, (Exit::Code(0), String::new()));
    assert!(one.has_written(AT).await.unwrap());
    assert_eq!(output_of(&one, &format!("cd {AT} && find . | sort")).await.1, ".\n./a\n./a/b\n./d\n");

    assert_eq!(output_of(&other, &look).await, before, "another environment over the same folder");
    assert!(!other.has_written(AT).await.unwrap());
    one.stop().await.unwrap();
    other.stop().await.unwrap();
    let again = start_over(&fixture.engine, &folder, spec()).await;
    assert_eq!(output_of(&again, &look).await, before, "one after it was changed");
    again.stop().await.unwrap();
    fixture.engine.remove_root(&folder).await.unwrap();
}

#[tokio::test]
async fn any_change_is_seen() {
    let fixture = Fixture::start(Kind::Sandbox, spec()).await;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("files");
    unpack(&fixture, &folder).await;
    for change in [
        "rm kept",
        "touch -d @5 kept",
        "chmod 600 kept",
        "echo >> a/b",
        "ln kept again",
        "mkdir c",
        "mv kept other",
        "chmod 700 .",
        "rm -r /tmp/codon",
        "mv /tmp/codon /tmp/x; mkdir /tmp/codon",
    ] {
        let environment = start_over(&fixture.engine, &folder, spec()).await;
        assert_eq!(output_of(&environment, &format!("cd {AT} && {change}")).await.0, Exit::Code(0), "{change}");
        assert!(environment.has_written(AT).await.unwrap(), "{change}");
        environment.stop().await.unwrap();
    }
    assert!(fixture.environment.has_written(AT).await.unwrap(), "it was put in");
    fixture.engine.remove_root(&folder).await.unwrap();
}

#[tokio::test]
async fn it_can_be_linked_and_moved_to_other_folders() {
    let fixture = Fixture::start(Kind::Sandbox, spec()).await;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("files");
    unpack(&fixture, &folder).await;
    let environment = start_over(&fixture.engine, &folder, spec()).await;
    let move_them =
        format!("mkdir /tmp/app && cd {AT} && ln kept /tmp/app/linked && mv a /tmp/app && cat /tmp/app/linked /tmp/app/a/b");
    assert_eq!(output_of(&environment, &move_them).await, (Exit::Code(0), "kepta/b".to_owned()));
    environment.stop().await.unwrap();
    fixture.engine.remove_root(&folder).await.unwrap();
}

#[tokio::test]
async fn what_is_written_over_it_counts_as_disk() {
    let fixture = Fixture::start(Kind::Sandbox, spec()).await;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("files");
    unpack(&fixture, &folder).await;
    let environment = start_over(&fixture.engine, &folder, Spec { disk_bytes: 20 * MIB, ..spec() }).await;
    let fill = format!("cd {AT}; i=0; while :; do head -c 5M /dev/zero > part$i; i=$((i + 1)); sleep 0.1; done");
    assert_eq!(output_of(&environment, &fill).await.0, Exit::OutOfDisk);
    environment.stop().await.unwrap();
    fixture.engine.remove_root(&folder).await.unwrap();
}

/// Starts over what was unpacked for one environment in `folder`.
async fn start_over_own(fixture: &Fixture, folder: &Path, spec: Spec) -> Environment {
    let tar = tar_of(&[("kept", 0o644), ("a/", 0o755), ("a/b", 0o600)]);
    fixture.engine.unpack_for_one(&tar[..], folder, "/tmp/build").await.unwrap();
    fixture.engine.start_over(spec, Groundwork { layer: None, own: Some(folder) }).await.unwrap()
}

#[tokio::test]
async fn what_was_unpacked_for_one_is_as_if_it_had_been_put_in() {
    let fixture = Fixture::start(Kind::Sandbox, spec()).await;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("files");
    let own = start_over_own(&fixture, &folder, spec()).await;
    fixture.environment.put_in("/tmp/build", &tar_of(&[("kept", 0o644), ("a/", 0o755), ("a/b", 0o600)])[..]).await.unwrap();
    let look =
        "find / /tmp -maxdepth 1 -printf '%p %m %U\n' | sort; cd /tmp/build; find . -printf '%p %m %U\n' | sort; cat kept a/b";
    assert_eq!(output_of(&own, look).await, output_of(&fixture.environment, look).await);
    // Not as in a layer.
    let rename = "cd /tmp/build && perl -e 'rename(\"a\", \"c\") or die $!' && cat c/b";
    assert_eq!(output_of(&own, rename).await, (Exit::Code(0), "a/b".to_owned()));
    own.stop().await.unwrap();
    assert!(!folder.exists(), "it went with the environment");
}

#[tokio::test]
async fn what_was_unpacked_for_one_counts_as_its_disk() {
    let fixture = Fixture::start(Kind::Sandbox, spec()).await;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("files");
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(25 * MIB);
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_data(&mut header, "large", io::repeat(7).take(25 * MIB)).unwrap();
    fixture.engine.unpack_for_one(&*tar.into_inner().unwrap(), &folder, "/tmp/build").await.unwrap();
    let groundwork = Groundwork { layer: None, own: Some(&folder) };
    let own = fixture.engine.start_over(Spec { disk_bytes: 20 * MIB, ..spec() }, groundwork).await.unwrap();
    assert_eq!(output_of(&own, "false").await.0, Exit::OutOfDisk);
    // Dropped, it goes as well.
    drop(own);
    fixture.engine.remove_root(&folder).await.unwrap();
}

#[tokio::test]
async fn what_is_named_is_removed() {
    let fixture = Fixture::start(Kind::Sandbox, spec()).await;
    let dir = tempfile::tempdir().unwrap();
    let own = start_over_own(&fixture, &dir.path().join("files"), spec()).await;
    own.put_in("/tmp/build", &tar_of(&[("d/", 0o755), ("d/e", 0o644)])[..]).await.unwrap();
    assert_eq!(output_of(&own, "ln -s /tmp/build/d /tmp/build/link").await.0, Exit::Code(0));
    own.remove_in("/tmp/build", &b"a\0link\0missing\0"[..]).await.unwrap();
    assert_eq!(output_of(&own, "cd /tmp/build && find . | sort").await.1, ".\n./d\n./d/e\n./kept\n");
    assert!(own.remove_in("/tmp/build", &b"cut off"[..]).await.is_err());
    own.stop().await.unwrap();
}

#[tokio::test]
async fn an_engine_without_layers_says_so() {
    let fixture = Fixture::start(Kind::Local, spec()).await;
    assert!(!fixture.engine.has_layers());
    assert!(fixture.engine.start_over(spec(), Groundwork::default()).await.is_err());
    assert!(fixture.engine.unpack_for_one(&b""[..], Path::new("/nowhere"), AT).await.is_err());
    assert!(fixture.environment.remove_in(AT, &b""[..]).await.is_err());
    assert!(fixture.environment.has_written(AT).await.unwrap(), "nobody knows");
}
