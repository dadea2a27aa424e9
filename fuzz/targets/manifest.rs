//! Manifests of images: no input panics, and what is accepted is of one kind only and within bounds.

use hoist::model::ImageManifest;

pub(crate) fn run(bytes: &[u8]) {
    // The first line is the Content-Type.
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let content_type = parts.next().and_then(|line| std::str::from_utf8(line).ok());
    let Ok(manifest) = ImageManifest::parse(parts.next().unwrap_or_default(), content_type) else { return };
    let is_index = manifest.media_type.is_index();
    assert_eq!(manifest.config.is_none(), is_index);
    assert!(if is_index { manifest.layers.is_empty() } else { manifest.manifests.is_empty() });
    assert!(manifest.children().count() <= ImageManifest::MAX_CHILDREN + 1);
}
