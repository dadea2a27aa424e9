use serde_json::{Value, json};

use super::*;

const EMPTY: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

fn descriptor(media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": EMPTY, "size": 2})
}

fn image() -> Value {
    json!({"schemaVersion": 2, "config": descriptor("application/vnd.example"), "layers": [descriptor("a/layer")]})
}

fn with(mut manifest: Value, field: &str, value: Value) -> Value {
    manifest[field] = value;
    manifest
}

fn parse(manifest: &Value, content_type: Option<&str>) -> Result<ImageManifest, String> {
    ImageManifest::parse(manifest.to_string().as_bytes(), content_type).map_err(|error| error.to_string())
}

#[test]
fn repositories_are_apps_and_process_types() {
    for good in ["my-app/web", "my-app/Web_2"] {
        assert_eq!(good.parse::<Repository>().unwrap().to_string(), good);
    }
    for bad in ["my-app", "my-app/", "/web", "my-app/web/more", "My/web", "../web", "my-app/w b"] {
        assert!(bad.parse::<Repository>().unwrap_err().to_string().contains("as in my-app/web"), "{bad}");
    }
}

#[test]
fn references_are_tags_or_digests() {
    let longest = "a".repeat(128);
    for tag in ["latest", "v1.2-3_x", "_x", "0", &longest] {
        assert_eq!(tag.parse(), Ok(Reference::Tag(tag.parse().unwrap())), "{tag}");
    }
    assert_eq!(EMPTY.parse(), Ok(Reference::Digest(EMPTY.parse().unwrap())));
    for bad in ["", ".a", "-a", "a/b", "ä", "sha256:12", "sha512:12", &"a".repeat(129)] {
        assert!(bad.parse::<Reference>().is_err(), "{bad}");
    }
}

#[test]
fn the_type_is_what_body_and_header_say() {
    let kind = |manifest: &Value, header: Option<&str>| parse(manifest, header).map(|manifest| manifest.media_type);
    assert_eq!(kind(&image(), None), Ok(ManifestType::OciManifest));
    assert_eq!(kind(&image(), Some(&format!("{DOCKER}; charset=utf-8"))), Ok(ManifestType::DockerManifest));
    assert_eq!(kind(&with(image(), "mediaType", json!(DOCKER)), None), Ok(ManifestType::DockerManifest));
    let index = json!({"schemaVersion": 2, "manifests": []});
    assert_eq!(kind(&index, None), Ok(ManifestType::OciIndex));
    let error = kind(&with(image(), "mediaType", json!(DOCKER)), Some(OCI)).unwrap_err();
    assert_eq!(error, format!("the manifest says that it is {DOCKER}, and its Content-Type {OCI}"));
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let both = with(image(), "manifests", json!([]));
    for kind in [OCI, INDEX, DOCKER] {
        assert!(parse(&both, Some(kind)).is_err(), "{kind}");
    }
    assert!(parse(&image(), Some(INDEX)).is_err());
    assert!(parse(&json!({"schemaVersion": 2, "layers": []}), Some(OCI)).is_err());
    assert!(parse(&with(image(), "schemaVersion", json!(3)), Some(OCI)).is_err());
}

#[test]
fn schema_1_and_strange_types_are_refused_in_words() {
    let schema_1 = json!({"schemaVersion": 1, "fsLayers": [], "history": []});
    assert!(parse(&schema_1, None).unwrap_err().contains("given up by Docker itself"));
    let signed = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    assert!(parse(&image(), Some(signed)).unwrap_err().contains("given up by Docker itself"));
    assert!(parse(&image(), Some("text/plain")).unwrap_err().contains("push an OCI or a Docker schema 2 manifest"));
    let sha512 = format!("sha512:{}", "a".repeat(128));
    let other = with(image(), "subject", json!({"mediaType": OCI, "digest": sha512, "size": 2}));
    assert!(parse(&other, None).unwrap_err().contains("is not a sha256 digest"));
}

#[test]
fn the_artifact_type_is_the_configs_where_nothing_else_is_said() {
    let kind = |manifest: &Value| parse(manifest, None).unwrap().artifact_type.unwrap();
    assert_eq!(kind(&image()), "application/vnd.example");
    assert_eq!(kind(&with(image(), "artifactType", json!("a/b"))), "a/b");
    assert_eq!(kind(&with(image(), "artifactType", json!(""))), "application/vnd.example");
}

#[test]
fn layers_that_are_had_elsewhere_are_no_children() {
    let foreign = with(descriptor("a/layer"), "urls", json!(["https://example.com/layer"]));
    let manifest = with(image(), "layers", json!([descriptor("a/layer"), foreign]));
    assert_eq!(parse(&manifest, None).unwrap().children().count(), 2);
}

#[test]
fn sizes_are_bounded() {
    let long = vec![b' '; ImageManifest::MAX_BYTES + 1];
    assert!(ImageManifest::parse(&long, None).unwrap_err().to_string().contains("at most 4194304 bytes"));
    let layers: Vec<_> = (0..=ImageManifest::MAX_CHILDREN).map(|_| descriptor("a/layer")).collect();
    assert!(parse(&with(image(), "layers", json!(layers)), None).unwrap_err().contains("at most 4096 others"));
}

#[test]
fn a_descriptor_is_written_as_it_is_read() {
    let text = with(descriptor("a/b"), "platform", json!({"architecture": "arm64", "os": "linux", "variant": "v8"}));
    let read: Descriptor = serde_json::from_value(text.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), text);
}
