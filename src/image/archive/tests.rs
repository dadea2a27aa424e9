use flate2::Compression;

use super::*;

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

fn diff_id(layer: &[u8]) -> Digest {
    use sha2::Digest as _;
    Digest::from_bytes(sha2::Sha256::digest(layer).into())
}

fn config(layers: &[&[u8]]) -> String {
    let ids: Vec<_> = layers.iter().map(|layer| format!("\"{}\"", diff_id(layer))).collect();
    let ids = ids.join(",");
    format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{"Cmd":["/serve"]}},"rootfs":{{"type":"layers","diff_ids":[{ids}]}}}}"#
    )
}

fn keep_in_memory(archive: &[u8], most_bytes: u64) -> Result<(tempfile::TempDir, KeptImage), KeepError> {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let kept = keep(archive, &store, most_bytes)?;
    Ok((dir, kept))
}

/// As Docker 20.10 writes it: the list last, a layer that comes twice as a link.
fn archive(layer: &[u8], config: &str, layers: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let list = format!(r#"[{{"Config":"c.json","RepoTags":["a:b"],"Layers":[{layers}]}}]"#);
    for (path, content) in
        [("1/VERSION", b"1.0".as_slice()), ("1/json", b"{}"), ("1/layer.tar", layer), ("c.json", config.as_bytes())]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, content).unwrap();
    }
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    link.set_mode(0o777);
    builder.append_link(&mut link, "2/layer.tar", "../1/layer.tar").unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_size(list.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "manifest.json", list.as_bytes()).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn an_image_is_taken_over_with_layers_that_come_twice() {
    let layer = tar(&[("app/serve", b"binary")]);
    let archive = archive(&layer, &config(&[&layer, &layer]), r#""1/layer.tar","2/layer.tar""#);
    let (dir, kept) = keep_in_memory(&archive, u64::MAX).unwrap();
    assert_eq!((kept.config.command().as_str(), kept.manifest.layers.len()), ("/serve", 2));
    assert_eq!(kept.manifest.layers[0], kept.manifest.layers[1]);
    assert_eq!(Some(kept.image_id), kept.manifest.config.as_ref().map(|config| config.digest));
    let hex = kept.manifest.layers[0].digest.hex();
    let blob = std::fs::read(dir.path().join("sha256").join(&hex[..2]).join(&hex)).unwrap();
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(blob.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, layer);
    let (_again, same) = keep_in_memory(&archive, u64::MAX).unwrap();
    assert_eq!(same.digest, kept.digest);
}

#[test]
fn an_engine_that_keeps_layers_compressed_gives_the_same_image() {
    let layer = tar(&[("app/serve", b"binary")]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&layer).unwrap();
    let compressed = gzip.finish().unwrap();
    let (config, list) = (config(&[&layer]), r#""1/layer.tar""#);
    let (_one, plain) = keep_in_memory(&archive(&layer, &config, list), u64::MAX).unwrap();
    let (_two, packed) = keep_in_memory(&archive(&compressed, &config, list), u64::MAX).unwrap();
    assert_eq!(plain.digest, packed.digest);
}

#[test]
fn an_empty_layer_and_none_at_all_are_images_too() {
    let empty = vec![0; 1024];
    let (_dir, kept) = keep_in_memory(&archive(&empty, &config(&[&empty]), r#""1/layer.tar""#), u64::MAX).unwrap();
    assert_eq!(kept.manifest.layers.len(), 1);
    let (_dir, kept) = keep_in_memory(&archive(&empty, &config(&[]), ""), u64::MAX).unwrap();
    assert_eq!(kept.manifest.layers.len(), 0);
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let layer = tar(&[("a", b"b")]);
    let refused = |archive: &[u8]| keep_in_memory(archive, u64::MAX).map(drop).unwrap_err().to_string();
    let other = archive(&layer, &config(&[b"other"]), r#""1/layer.tar""#);
    assert!(refused(&other).ends_with("its layers are not those that its config names"));
    assert!(refused(&archive(&layer, &config(&[&layer]), r#""3/layer.tar""#)).ends_with("it lacks 3/layer.tar"));
    assert!(refused(&tar(&[("x", b"y")])).ends_with("it has no manifest.json"));
    assert!(refused(&tar(&[("manifest.json", b"[]")])).ends_with("it holds 0 images"));
    let whole = archive(&layer, &config(&[&layer]), r#""1/layer.tar""#);
    assert!(matches!(keep_in_memory(&whole[..1000], u64::MAX), Err(KeepError::Io(_))));
    assert!(matches!(keep_in_memory(&whole, 2000), Err(KeepError::TooLarge { limit: 2000 })));
}
