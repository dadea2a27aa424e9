//! What an image is made of.

use std::io::Read as _;

use sha2::{Digest as _, Sha256};

use super::{Client, Registries, RegistryError};
use crate::fetch::Reply;
use crate::model::{Descriptor, Digest, ImageConfig, ImageManifest, ImageName, ManifestType, Platform};

/// An index of indexes is read, one of those is not.
const MAX_INDEXES: u32 = 2;

/// An image in a registry.
#[derive(Debug)]
pub(in crate::stack) struct Image {
    /// Of its manifest, for one platform.
    pub(in crate::stack) digest: Digest,
    pub(in crate::stack) manifest: ImageManifest,
    pub(in crate::stack) config: ImageConfig,
    /// Where it was found.
    pub(in crate::stack) client: Client,
}

/// Finds an image for a platform: at a mirror, or, failing all of these, at its registry. `on_line` is told why a mirror was
/// of no use.
pub(in crate::stack) fn find_image(
    registries: &Registries,
    name: &ImageName,
    platform: &Platform,
    max_blob_bytes: u64,
    on_line: &mut impl FnMut(&str),
) -> Result<Image, RegistryError> {
    let mut places = registries.places(name);
    let own = places.pop().expect("the image's registry itself");
    for mirror in places {
        let shown = mirror.to_string();
        match find_at(Client::new(registries, mirror, max_blob_bytes)?, name, platform) {
            Err(error) => on_line(&format!("the mirror {shown} is of no use: {error}")),
            found => return found,
        }
    }
    find_at(Client::new(registries, own, max_blob_bytes)?, name, platform)
}

fn find_at(mut client: Client, name: &ImageName, platform: &Platform) -> Result<Image, RegistryError> {
    let tag = name.tag.as_ref().map(ToString::to_string).unwrap_or_default();
    let (mut digest, mut manifest) = match name.digest {
        Some(digest) => (digest, manifest_of(&mut client, &digest)?),
        None => read_manifest(&mut client, &tag)?,
    };
    for _ in 0..MAX_INDEXES {
        if manifest.media_type.is_index() {
            digest = choose(&manifest.manifests, platform)?.digest;
            manifest = manifest_of(&mut client, &digest)?;
        }
    }
    let Some(config) = &manifest.config else {
        return Err(RegistryError::unfit("it is an index of indexes of indexes"));
    };
    let config = read_config(&mut client, config)?;
    check(&manifest, &config, platform)?;
    Ok(Image { digest, manifest, config, client })
}

/// What has been asked for by its digest is that, or nothing.
fn manifest_of(client: &mut Client, expected: &Digest) -> Result<ImageManifest, RegistryError> {
    let (found, manifest) = read_manifest(client, &expected.to_string())?;
    if found != *expected {
        return Err(RegistryError::Digest { registry: client.place.registry.clone(), expected: *expected, found });
    }
    Ok(manifest)
}

fn read_manifest(client: &mut Client, reference: &str) -> Result<(Digest, ImageManifest), RegistryError> {
    let accept = ManifestType::ALL.map(ManifestType::as_str).join(", ");
    let reply = client.get(&format!("manifests/{reference}"), &[("accept", accept)])?;
    let content_type = Some(reply.content_type.clone()).filter(|kind| kind.parse::<ManifestType>().is_ok());
    let bytes = read(client, reply, ImageManifest::MAX_BYTES as u64)?;
    let manifest = ImageManifest::parse(&bytes, content_type.as_deref()).map_err(RegistryError::Unfit)?;
    Ok((Digest::from_bytes(Sha256::digest(&bytes).into()), manifest))
}

fn read_config(client: &mut Client, config: &Descriptor) -> Result<ImageConfig, RegistryError> {
    let reply = client.get(&format!("blobs/{}", config.digest), &[])?;
    let bytes = read(client, reply, ImageConfig::MAX_BYTES)?;
    let found = Digest::from_bytes(Sha256::digest(&bytes).into());
    if found != config.digest {
        return Err(RegistryError::Digest { registry: client.place.registry.clone(), expected: config.digest, found });
    }
    ImageConfig::parse(&bytes).map_err(RegistryError::Unfit)
}

/// Reads an answer to its end, and no more than `most` bytes.
fn read(client: &Client, mut reply: Reply, most: u64) -> Result<Vec<u8>, RegistryError> {
    let mut bytes = Vec::new();
    if let Err(error) = reply.by_ref().take(most + 1).read_to_end(&mut bytes) {
        return Err(client.failed(reply.explain(error)));
    }
    if bytes.len() as u64 > most {
        return Err(RegistryError::unfit(format!("its manifest or config has more than {most} bytes")));
    }
    Ok(bytes)
}

/// The first of an index's images that is for a platform. What signs images stands in an index, too, and is for none.
fn choose<'a>(manifests: &'a [Descriptor], wanted: &Platform) -> Result<&'a Descriptor, RegistryError> {
    let is_for = |platform: &Platform| wanted.accepts(platform);
    let found = manifests.iter().find(|manifest| manifest.platform.as_ref().is_some_and(is_for));
    found.ok_or_else(|| {
        let there =
            manifests.iter().filter_map(|manifest| manifest.platform.as_ref()).filter(|platform| platform.os != "unknown");
        let mut there: Vec<_> = there.map(|platform| platform.to_string().escape_debug().to_string()).collect();
        there.dedup();
        there.truncate(20);
        RegistryError::Platform { wanted: wanted.clone(), there: if there.is_empty() { vec!["nothing".into()] } else { there } }
    })
}

/// Whether it can be unpacked for a platform.
fn check(manifest: &ImageManifest, config: &ImageConfig, wanted: &Platform) -> Result<(), RegistryError> {
    // Images that were made by hand say nothing.
    if !config.architecture.is_empty() && config.architecture != wanted.architecture {
        let there = format!("linux/{}", config.architecture.escape_debug());
        return Err(RegistryError::Platform { wanted: wanted.clone(), there: vec![there] });
    }
    if config.diff_ids.len() != manifest.layers.len() || manifest.layers.is_empty() {
        let (layers, said) = (manifest.layers.len(), config.diff_ids.len());
        return Err(RegistryError::unfit(format!("its manifest has {layers} layers, and its config {said}")));
    }
    if manifest.layers.iter().any(|layer| !layer.urls.is_empty()) {
        return Err(RegistryError::unfit("one of its layers is not in the registry, but only where its maker says"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(platforms: &[&str]) -> Vec<Descriptor> {
        let descriptor = |(number, platform): (usize, &&str)| {
            let (os, architecture) = platform.split_once('/').unwrap();
            let digest = Digest::from_bytes([u8::try_from(number).unwrap(); 32]);
            let platform = serde_json::json!({"os": os, "architecture": architecture});
            serde_json::from_value(serde_json::json!({"mediaType": "x", "digest": digest, "size": 1, "platform": platform}))
                .unwrap()
        };
        platforms.iter().enumerate().map(descriptor).collect()
    }

    #[test]
    fn the_platforms_own_image_is_chosen() {
        let manifests = index(&["unknown/unknown", "linux/arm64", "linux/amd64", "windows/amd64"]);
        assert_eq!(choose(&manifests, &"linux/amd64".parse().unwrap()).unwrap(), &manifests[2]);
        let error = choose(&manifests, &"linux/s390x".parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "it is not for linux/s390x, but for linux/arm64, linux/amd64, windows/amd64");
        let error = choose(&[], &"linux/s390x".parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "it is not for linux/s390x, but for nothing");
    }
}
