//! What images of slugs stand on, kept beside the stack: the run root as one layer, or the layers that were pulled.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncRead;
use tokio_util::io::SyncIoBridge;

use super::installed::Stack;
use super::pulled::{LAYERS, LayerRecord, read_record};
use super::{StackError, io_error};
use crate::engine::Engine;
use crate::model::{Digest, Packing};

/// Beside the unpacked roots.
const TAR: &str = "run.tar.gz";
/// What is known of it; there once the tar is whole.
const RECORD: &str = "run.json";
/// Of both while they are written, by whoever holds the stack's lock.
const UNFINISHED: &str = "run.part";
/// There if an image stands on the layers that were pulled.
pub(super) const IMAGED: &str = "imaged";

const BUFFER_BYTES: usize = 256 * 1024;

/// A layer of a stack's run root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    pub path: PathBuf,
    /// Of the file: what a registry calls the blob.
    pub digest: Digest,
    /// Of the tar before compression: OCI's diff id.
    pub diff_id: Digest,
    pub size_bytes: u64,
    pub packing: Packing,
}

/// `run.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    digest: String,
    diff_id: String,
    size_bytes: u64,
}

/// The layers of a stack, the lowest first; `None` when the stack was made by a hoist that kept none.
pub fn find_layers(stack: &Stack) -> Result<Option<Vec<Layer>>, StackError> {
    let folder = stack.folder();
    let Some(record) = read_record(folder)?.filter(|_| stack.pulled.is_some()) else {
        return Ok(read(&folder.join(RECORD))?.map(|layer| vec![layer]));
    };
    let found = record.layers.iter().map(|layer| of_record(folder, layer));
    Ok(found.collect())
}

fn of_record(folder: &Path, layer: &LayerRecord) -> Option<Layer> {
    let LayerRecord { digest, diff_id, size_bytes, packing } = *layer;
    let path = folder.join(LAYERS).join(digest.hex());
    let is_whole = fs::metadata(&path).is_ok_and(|file| file.len() == size_bytes);
    is_whole.then_some(Layer { path, digest, diff_id, size_bytes, packing })
}

/// Tells whether all that is kept of a stack that was pulled is there as it was: its record, and each layer, byte by byte.
pub(super) fn is_kept_whole(folder: &Path) -> io::Result<bool> {
    // Whatever is wrong with the record, pulling again mends it.
    let Ok(Some(record)) = read_record(folder) else { return Ok(false) };
    for layer in &record.layers {
        let Some(Layer { path, digest, .. }) = of_record(folder, layer) else { return Ok(false) };
        let mut content = Hashed::new(io::sink());
        io::copy(&mut File::open(path)?, &mut content)?;
        if content.digest() != digest {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Notes that an image stands on a stack's layers: they stay when another takes the stack's place. The caller holds the stack.
pub fn note_image(stack: &Stack) -> Result<(), StackError> {
    let path = stack.folder().join(IMAGED);
    if stack.pulled.is_none() || path.exists() {
        return Ok(());
    }
    File::create(&path).and_then(|file| file.sync_all()).map_err(io_error(format!("write {}", path.display())))
}

/// Opens the layer of this digest, of whichever stack here, in use or replaced; `None` when there is none.
pub fn open_layer(stacks_dir: &Path, digest: &Digest) -> Result<Option<File>, StackError> {
    for name in folders(stacks_dir)? {
        for stack in folders(&name)? {
            let pulled = stack.join(LAYERS).join(digest.hex());
            let packed = read(&stack.join(RECORD))?.filter(|layer| layer.digest == *digest).map(|layer| layer.path);
            let found = if pulled.is_file() { Some(pulled) } else { packed };
            if let Some(path) = found {
                return File::open(&path).map(Some).map_err(io_error(format!("open {}", path.display())));
            }
        }
    }
    Ok(None)
}

/// Makes the layer of a run root, unless it is there. The caller holds the stack's lock.
pub(super) async fn keep_layer(run_root: &Path, latest_secs: u64, engine: &Engine) -> Result<(), StackError> {
    let folder = run_root.parent().expect("a root lies in its stack's folder").to_owned();
    if read(&folder.join(RECORD))?.is_some() {
        return Ok(());
    }
    let tar = SyncIoBridge::new(engine.pack_root(run_root, latest_secs)?);
    let doing = io_error(format!("write {}", folder.join(TAR).display()));
    tokio::task::spawn_blocking(move || write(&folder, tar)).await.expect("compressing does not panic").map_err(doing)
}

/// Writes the tar and then what is known of it: a crash leaves no record of half a tar.
fn write(folder: &Path, tar: SyncIoBridge<impl AsyncRead + Unpin>) -> io::Result<()> {
    let unfinished = folder.join(UNFINISHED);
    let record = compress(tar, File::create(&unfinished)?)?;
    fs::rename(&unfinished, folder.join(TAR))?;
    let mut file = File::create(&unfinished)?;
    file.write_all(&serde_json::to_vec_pretty(&record)?)?;
    file.sync_all()?;
    // The tar's name has to be on disk before the record's.
    File::open(folder)?.sync_all()?;
    fs::rename(&unfinished, folder.join(RECORD))?;
    File::open(folder)?.sync_all()
}

/// Neither name nor time goes into the gzip header, so that the same tar gives the same bytes.
fn compress(tar: impl Read, file: File) -> io::Result<Record> {
    let mut tar = Hashed::new(BufReader::with_capacity(BUFFER_BYTES, tar));
    let mut gzip = GzBuilder::new().mtime(0).write(Hashed::new(file), Compression::default());
    io::copy(&mut tar, &mut gzip)?;
    let compressed = gzip.finish()?;
    compressed.inner.sync_all()?;
    Ok(Record { size_bytes: compressed.bytes, digest: compressed.digest().to_string(), diff_id: tar.digest().to_string() })
}

/// What passes through is hashed and counted.
struct Hashed<T> {
    inner: T,
    hash: Sha256,
    bytes: u64,
}

impl<T> Hashed<T> {
    fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    fn digest(self) -> Digest {
        Digest::from_bytes(self.hash.finalize().into())
    }

    fn count(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(bytes)?;
        self.count(&bytes[..length]);
        Ok(length)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.count(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads a record; `None` when there is none, or the tar that it is about has gone.
fn read(record: &Path) -> Result<Option<Layer>, StackError> {
    let damaged = |why: String| StackError::Damaged { path: record.to_owned(), why };
    let bytes = match fs::read(record) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        other => other.map_err(io_error(format!("read {}", record.display())))?,
    };
    let Record { digest, diff_id, size_bytes } = serde_json::from_slice(&bytes).map_err(|why| damaged(why.to_string()))?;
    let parse = |digest: &str| digest.parse().map_err(|why| damaged(format!("{why}")));
    let layer = Layer {
        path: record.with_file_name(TAR),
        digest: parse(&digest)?,
        diff_id: parse(&diff_id)?,
        size_bytes,
        packing: Packing::Gzip,
    };
    let is_whole = fs::metadata(&layer.path).is_ok_and(|file| file.len() == size_bytes);
    Ok(is_whole.then_some(layer))
}

/// The folders in a folder; none where there is no such folder.
pub(super) fn folders(dir: &Path) -> Result<Vec<PathBuf>, StackError> {
    let list = || -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
        Ok(entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
    };
    match list() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(io_error(format!("read {}", dir.display()))),
    }
}

#[cfg(test)]
mod tests {
    use flate2::read::GzDecoder;

    use super::*;
    use crate::engine::{Kind, Settings};

    async fn kept(dir: &Path) -> Stack {
        let home = dir.join("debian-12").join("0".repeat(64));
        let (build_root, run_root) = (home.join("build"), home.join("run"));
        fs::create_dir_all(&run_root).unwrap();
        fs::write(run_root.join("file"), "content").unwrap();
        keep_layer(&run_root, 1000, &engine(dir).await).await.unwrap();
        Stack {
            name: "debian-12".parse().unwrap(),
            digest: Digest::from_bytes([0; 32]),
            build_root,
            run_root,
            build_env: std::collections::BTreeMap::new(),
            run_env: std::collections::BTreeMap::new(),
            pulled: None,
        }
    }

    fn find_layer(stack: &Stack) -> Option<Layer> {
        find_layers(stack).unwrap().map(|layers| layers.into_iter().next().unwrap())
    }

    async fn engine(dir: &Path) -> Engine {
        let (work_dir, allow_networks) = (dir.join("work"), Vec::new());
        Engine::open(Settings { kind: Kind::Local, helper: "/no".into(), work_dir, ca_bundle: None, allow_networks })
            .await
            .unwrap()
    }

    fn digest_of(bytes: &[u8]) -> Digest {
        Digest::from_bytes(Sha256::digest(bytes).into())
    }

    #[tokio::test]
    async fn the_layer_is_the_root_and_its_digests_are_true() {
        let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let layer = find_layer(&kept(one.path()).await).unwrap();
        let bytes = fs::read(&layer.path).unwrap();
        let mut tar = Vec::new();
        GzDecoder::new(&bytes[..]).read_to_end(&mut tar).unwrap();
        assert_eq!((layer.digest, layer.diff_id, layer.size_bytes), (digest_of(&bytes), digest_of(&tar), bytes.len() as u64));
        let again = find_layer(&kept(other.path()).await).unwrap();
        assert_eq!((again.digest, again.diff_id), (layer.digest, layer.diff_id), "the same root, the same bytes");
    }

    #[tokio::test]
    async fn a_layer_is_found_by_its_digest_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert!(open_layer(&dir.path().join("nowhere"), &Digest::from_bytes([1; 32])).unwrap().is_none());
        let layer = find_layer(&kept(dir.path()).await).unwrap();
        let mut bytes = Vec::new();
        open_layer(dir.path(), &layer.digest).unwrap().unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(digest_of(&bytes), layer.digest);
        assert!(open_layer(dir.path(), &Digest::from_bytes([1; 32])).unwrap().is_none());
    }

    #[tokio::test]
    async fn what_a_crash_left_half_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let stack = kept(dir.path()).await;
        let layer = find_layer(&stack).unwrap();
        fs::write(&layer.path, "half").unwrap();
        assert_eq!(find_layer(&stack), None);
        fs::write(layer.path.with_file_name(UNFINISHED), "left over").unwrap();
        keep_layer(&stack.run_root, 1000, &engine(dir.path()).await).await.unwrap();
        assert_eq!(find_layer(&stack), Some(layer));
    }
}
