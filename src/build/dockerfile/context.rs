//! What an image is built from: the Dockerfile's folder, less what `.dockerignore` names, as a tar.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use tar::EntryType;
use tokio::io::DuplexStream;
use tokio_util::io::SyncIoBridge;

use super::super::BuildError;
use super::super::source::PIPE_BYTES;
use super::super::tar_header::{file_mode, header};
use super::dockerignore::Dockerignore;
use super::tree::{Entries, Tree};
use crate::model::DockerfilePath;
use crate::tarball::{Kind, RawEntry};

/// Which of the tree's files an image is built from.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) dockerfile: DockerfilePath,
    pub(super) ignore: Dockerignore,
}

impl Context {
    /// The context as a tar, and the work of writing it, which has to be waited for besides.
    pub(super) fn export(self, tree: &Tree) -> (DuplexStream, impl Future<Output = Result<(), BuildError>>) {
        let (writer, reader) = tokio::io::duplex(PIPE_BYTES);
        let writing = tree.scan(move |entries| {
            let out = io::BufWriter::with_capacity(64 * 1024, SyncIoBridge::new(writer));
            let mut tar = tar::Builder::new(out);
            while let Some(entry) = entries.next()? {
                self.add(&mut tar, &entry, entries)?;
            }
            tar.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?.shutdown()
        });
        (reader, writing)
    }

    fn add(&self, tar: &mut tar::Builder<impl Write>, entry: &RawEntry, entries: &mut Entries) -> io::Result<()> {
        let Some(path) = self.place(&entry.path).filter(|path| self.has(path)) else { return Ok(()) };
        let path = to_path(path);
        match &entry.kind {
            Kind::Folder => tar.append_data(&mut header(EntryType::Directory, 0o755, 0), path.join(""), io::empty()),
            Kind::File { size_bytes, executable } => {
                let mut header = header(EntryType::Regular, file_mode(*executable), *size_bytes);
                tar.append_data(&mut header, path, entries.content(*size_bytes))
            }
            Kind::Symlink { target } => tar.append_link(&mut header(EntryType::Symlink, 0o777, 0), path, to_path(target)),
            Kind::HardLink { target, executable } => match self.place(target).filter(|target| self.has(target)) {
                Some(target) => tar.append_link(&mut header(EntryType::Link, file_mode(*executable), 0), path, to_path(target)),
                // Its file is no part of the context, so neither is it.
                None => Ok(()),
            },
            Kind::Special => Ok(()),
        }
    }

    /// The path inside of the Dockerfile's folder.
    fn place<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let inside = match self.dockerfile.folder() {
            "" => path,
            folder => path.strip_prefix(folder.as_bytes())?.strip_prefix(b"/")?,
        };
        (!inside.is_empty()).then_some(inside)
    }

    /// The Engine needs the Dockerfile and its `.dockerignore`, also where they say that the image does not.
    fn has(&self, path: &[u8]) -> bool {
        path == self.dockerfile.file_name().as_bytes() || path == b".dockerignore" || !self.ignore.excludes(path)
    }
}

fn to_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
