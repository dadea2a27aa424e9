//! The first reading of an archive: is everything in it as it should be, and where does the app begin?
//!
//! What is kept of an entry is a few bytes: a small archive can hold very many.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, Read as _};

use ignore::gitignore::Gitignore;

use super::super::source::{MAX_SLUGIGNORE, parse_slugignore};
use super::entry_path::{check_target, parse};
use super::{ArchiveError, BuildError, Limits, read_error};
use crate::model::{AppJson, HerokuYml, SourceRoot};
use crate::tarball::{BLOCK_BYTES, Kind, RawEntry, read_entry};

/// The files of the app's own folder that are read on the way, and how much of each at most: a byte more than is
/// understood, so that a long one is told from one that fits.
const WANTED: [(&[u8], u64); 3] = [
    (b".slugignore", MAX_SLUGIGNORE + 1),
    (b"app.json", AppJson::MAX_BYTES as u64 + 1),
    (HerokuYml::PATH.as_bytes(), HerokuYml::MAX_BYTES as u64 + 1),
];
const SLUGIGNORE: usize = 0;
const APP_JSON: usize = 1;
const HEROKU_YML: usize = 2;

/// What the first reading found.
#[derive(Debug)]
pub(super) struct Survey {
    /// How many names at the start of each path are not part of the app: 1 when all of the archive is in one folder, as
    /// in GitHub's, else 0.
    pub(super) skipped_names: usize,
    pub(super) ignore: Gitignore,
    pub(super) app_json: Option<Vec<u8>>,
    pub(super) heroku_yml: Option<Vec<u8>>,
    /// The folder in it that is the app's; `None` for all of it.
    root: Option<SourceRoot>,
    limits: Limits,
}

impl Survey {
    /// Reads a whole archive.
    pub(super) fn of(mut tar: impl BufRead, limits: Limits, root: Option<SourceRoot>) -> Result<Self, BuildError> {
        let mut surveyor = Surveyor { root, ..Surveyor::default() };
        let mut totals = Limits { bytes: 0, files: 0 };
        while let Some(entry) = read_entry(&mut tar).map_err(read_error)? {
            totals.files += 1;
            if totals.files > limits.files {
                return Err(ArchiveError::TooManyFiles { limit: limits.files }.into());
            }
            let size_bytes = size_of(&entry);
            totals.bytes = totals.bytes.saturating_add(size_bytes);
            if totals.bytes > limits.bytes {
                return Err(ArchiveError::TooLarge { limit: limits.bytes }.into());
            }
            match surveyor.admit(&entry).map_err(|why| ArchiveError::BadEntry { path: entry.path.clone(), why })? {
                Some((begins, wanted)) => {
                    surveyor.wanted[begins as usize][wanted] = Some(read_start(&mut tar, size_bytes, WANTED[wanted].1)?);
                }
                None => skip(&mut tar, padded(size_bytes))?,
            }
            // Folders that no entry names.
            if surveyor.seen.len() as u64 > limits.files {
                return Err(ArchiveError::TooManyFiles { limit: limits.files }.into());
            }
        }
        surveyor.conclude(limits)
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// What the paths of the app's files begin with, behind what is skipped.
    pub(super) fn root_names(&self) -> Vec<&[u8]> {
        root_names(self.root.as_ref())
    }
}

/// What is known of the paths so far.
#[derive(Default)]
struct Surveyor {
    /// Each path's kind, by a hash with a key of this process: nobody can choose two paths of one hash.
    seen: HashMap<u64, Seen>,
    hasher: RandomState,
    /// The first names of all paths, until there are two.
    top: Option<Vec<u8>>,
    several_tops: bool,
    /// Whether something stands below the only first name.
    is_folder: bool,
    /// The first symbolic link that leads out, and the files that are wanted, for either place where the app may begin:
    /// which one it is, is known at the end.
    bad_link: [Option<(Vec<u8>, &'static str)>; 2],
    wanted: [[Option<Vec<u8>>; WANTED.len()]; 2],
    root: Option<SourceRoot>,
}

/// Where the app begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    AtRoot,
    InFolder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Folder,
    File,
    Link,
}

impl Surveyor {
    /// Takes the next entry; tells if it is one of the files that are wanted, of an app that begins there.
    fn admit(&mut self, entry: &RawEntry) -> Result<Option<(Begins, usize)>, &'static str> {
        let names = parse(&entry.path)?;
        let kind = match &entry.kind {
            Kind::Folder => Seen::Folder,
            Kind::File { .. } | Kind::HardLink { .. } => Seen::File,
            Kind::Symlink { .. } => Seen::Link,
            Kind::Special => return Err("it is a device or a pipe"),
        };
        if names.is_empty() {
            // An archive that names its own folder begins there, whatever is in it.
            self.several_tops = true;
            return if kind == Seen::Folder { Ok(None) } else { Err("the path names no file") };
        }
        self.place(&names, kind)?;
        match &entry.kind {
            Kind::Symlink { target } => self.check_link(entry, target, names.len() - 1),
            Kind::HardLink { target, .. } if self.seen_at(&parse(target)?) != Some(Seen::File) => {
                return Err("a hard link to what is no file before it");
            }
            _ => {}
        }
        let wanted = |name: &[u8]| WANTED.iter().position(|(wanted, _)| *wanted == name);
        if !matches!(entry.kind, Kind::File { .. }) {
            return Ok(None);
        }
        let root = root_names(self.root.as_ref());
        let in_app = |names: &[&[u8]]| match names.strip_prefix(root.as_slice()) {
            Some([name]) => wanted(name),
            _ => None,
        };
        let (top, below) = names.split_first().expect("it is not empty");
        let in_folder = || in_app(below).filter(|_| self.top.as_deref() == Some(*top)).map(|wanted| (Begins::InFolder, wanted));
        Ok(in_app(&names).map(|wanted| (Begins::AtRoot, wanted)).or_else(in_folder))
    }

    fn check_link(&mut self, entry: &RawEntry, target: &[u8], depth: usize) {
        for (begins, depth) in [(Begins::AtRoot, Some(depth)), (Begins::InFolder, depth.checked_sub(1))] {
            let inside = depth.ok_or("the symbolic link is not in the app's folder");
            if let Err(why) = inside.and_then(|depth| check_target(target, depth)) {
                self.bad_link[begins as usize].get_or_insert_with(|| (entry.path.clone(), why));
            }
        }
    }

    /// Notes a path, which may not come twice nor lead through what is no folder.
    fn place(&mut self, names: &[&[u8]], kind: Seen) -> Result<(), &'static str> {
        for length in 1..names.len() {
            let key = self.key(&names[..length]);
            match self.seen.insert(key, Seen::Folder) {
                None | Some(Seen::Folder) => {}
                Some(_) => return Err("the path leads through a file or a symbolic link"),
            }
        }
        let key = self.key(names);
        match self.seen.insert(key, kind) {
            None => {}
            Some(Seen::Folder) if kind == Seen::Folder => {}
            Some(_) => return Err("the path comes twice"),
        }
        self.is_folder |= names.len() > 1 || kind == Seen::Folder;
        match &self.top {
            None => self.top = Some(names[0].to_vec()),
            Some(top) => self.several_tops |= top != names[0],
        }
        Ok(())
    }

    fn seen_at(&self, names: &[&[u8]]) -> Option<Seen> {
        self.seen.get(&self.key(names)).copied()
    }

    fn key(&self, names: &[&[u8]]) -> u64 {
        self.hasher.hash_one(names)
    }

    fn conclude(mut self, limits: Limits) -> Result<Survey, BuildError> {
        if self.top.is_none() {
            return Err(ArchiveError::Empty.into());
        }
        // `bin` is the folder of a buildpack that has nothing else.
        let is_wrapped = !self.several_tops && self.is_folder && self.top.as_deref() != Some(b"bin");
        let begins = if is_wrapped { Begins::InFolder } else { Begins::AtRoot };
        if let Some((path, why)) = self.bad_link[begins as usize].take() {
            return Err(ArchiveError::BadEntry { path, why }.into());
        }
        if let Some(root) = self.root.clone() {
            let top = self.top.iter().map(Vec::as_slice).filter(|_| begins == Begins::InFolder);
            let names: Vec<_> = top.chain(root_names(Some(&root))).collect();
            if self.seen_at(&names) != Some(Seen::Folder) {
                return Err(ArchiveError::NoFolder(root.to_string()).into());
            }
        }
        let wanted = &mut self.wanted[begins as usize];
        let slugignore = wanted[SLUGIGNORE].as_deref();
        if slugignore.is_some_and(|text| text.len() as u64 > MAX_SLUGIGNORE) {
            return Err(BuildError::Slugignore(format!("it is longer than {MAX_SLUGIGNORE} bytes")));
        }
        let ignore = slugignore.map_or_else(|| Ok(Gitignore::empty()), parse_slugignore)?;
        let (app_json, heroku_yml) = (wanted[APP_JSON].take(), wanted[HEROKU_YML].take());
        Ok(Survey {
            skipped_names: usize::from(begins == Begins::InFolder),
            ignore,
            app_json,
            heroku_yml,
            root: self.root,
            limits,
        })
    }
}

fn root_names(root: Option<&SourceRoot>) -> Vec<&[u8]> {
    root.into_iter().flat_map(|root| root.as_str().split('/')).map(str::as_bytes).collect()
}

fn size_of(entry: &RawEntry) -> u64 {
    if let Kind::File { size_bytes, .. } = entry.kind { size_bytes } else { 0 }
}

/// Reads the beginning of a file, and past the rest of it.
fn read_start(tar: &mut impl BufRead, size_bytes: u64, most: u64) -> Result<Vec<u8>, BuildError> {
    let mut text = Vec::new();
    tar.by_ref().take(size_bytes.min(most)).read_to_end(&mut text).map_err(read_error)?;
    // With the padding; and what is missing, if the archive ends in the file.
    skip(tar, padded(size_bytes) - text.len() as u64)?;
    Ok(text)
}

/// A content's size with the padding to whole blocks.
pub(super) fn padded(size_bytes: u64) -> u64 {
    size_bytes.next_multiple_of(BLOCK_BYTES as u64)
}

/// Reads past so many bytes.
pub(super) fn skip(tar: &mut impl BufRead, bytes: u64) -> Result<(), BuildError> {
    let skipped = io::copy(&mut tar.by_ref().take(bytes), &mut io::sink()).map_err(read_error)?;
    if skipped == bytes { Ok(()) } else { Err(read_error(io::ErrorKind::UnexpectedEof.into())) }
}
