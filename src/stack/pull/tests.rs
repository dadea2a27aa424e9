use super::*;
use crate::stack::installed::write_current;

/// Which images are meant by an order for the stack `mine`, as build and run.
fn meant(dir: &Path, image: Option<&str>, run_image: Option<&str>) -> Result<[String; 2], String> {
    let [image, run_image] = [image, run_image].map(|name| name.map(|name| name.parse().unwrap()));
    let order = Pull {
        name: &"mine".parse().unwrap(),
        stacks_dir: dir,
        image: image.as_ref(),
        run_image: run_image.as_ref(),
        platform: None,
        registries: &Registries::default(),
        limits: &Limits::default(),
    };
    let names = names(&order).map_err(|error| error.to_string())?;
    Ok([names.build, names.run].map(|name| name.to_string()))
}

#[test]
fn images_are_named_by_who_asks_by_convention_or_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let meant = |image, run_image| meant(dir.path(), image, run_image);
    let full = |names: [&str; 2]| Ok(names.map(|name| format!("docker.io/{name}")));
    assert_eq!(meant(Some("a/b:1-build"), None), full(["a/b:1-build", "a/b:1"]));
    assert_eq!(meant(Some("a/b:1-build"), Some("c/d")), full(["a/b:1-build", "c/d:latest"]));
    assert_eq!(meant(Some("a/b:1"), None), full(["a/b:1", "a/b:1"]));
    let unknown = "say which image the stack mine is to be made of: `hoist stack:pull mine IMAGE`";
    assert_eq!(meant(None, None), Err(unknown.to_owned()));

    let home = dir.path().join("mine");
    fs::create_dir(&home).unwrap();
    let images = ImageNames { build: "a/b:2".parse().unwrap(), run: "c/d".parse().unwrap(), platform: Platform::of_this_host() };
    write_current(&home, &Current { digest: String::new(), recipe: String::new(), images: Some(images) }).unwrap();
    assert_eq!(meant(None, None), full(["a/b:2", "c/d:latest"]));
    assert_eq!(meant(None, Some("e/f")), full(["a/b:2", "e/f:latest"]));
    assert_eq!(meant(Some("g/h"), None), full(["g/h:latest", "g/h:latest"]));
}
