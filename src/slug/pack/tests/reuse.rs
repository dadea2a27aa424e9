//! What is taken over of an earlier slug shows in nothing but time.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt as _;

use proptest::prelude::*;

use super::super::super::runs::decode;
use super::*;

/// The content of a folder's files, by their names.
type Files = BTreeMap<String, Vec<u8>>;

/// Text that differs from seed to seed, and a lot within itself.
fn text(seed: u8, size_bytes: usize) -> Vec<u8> {
    let mut random = random_below(seed.into());
    std::iter::repeat_with(|| format!("{} {}\n", random(5000), seed).into_bytes()).flatten().take(size_bytes).collect()
}

fn contents() -> impl Strategy<Value = Vec<u8>> {
    (any::<u8>(), 0..150_000_usize).prop_map(|(seed, size_bytes)| text(seed, size_bytes))
}

fn tar_of_files(files: &Files) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, &content[..]).unwrap();
    }
    tar.into_inner().unwrap()
}

/// Packs as for an app with such a last slug, on two threads.
fn pack_files(files: &Files, store: &Store, last: &LastSlug) -> Packed {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let tar = io::Cursor::new(tar_of_files(files));
    packed(runtime.block_on(pack_on(NonZero::new(2).unwrap(), tar, store, last, &Limits::default(), ()))).unwrap()
}

fn last_slug() -> (TempDir, LastSlug) {
    let dir = TempDir::new().unwrap();
    let last = LastSlugs::open(dir.path()).unwrap().of(AppId::new());
    (dir, last)
}

fn many_files() -> Files {
    (0..40).map(|number| (format!("file-{number:02}"), text(number, 150_000))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_slug_is_the_same_whatever_was_there_before(
        before in prop::collection::btree_map("[a-e]{1,3}", contents(), 0..12),
        changes in prop::collection::btree_map("[a-e]{1,3}", prop::option::of(contents()), 0..4),
    ) {
        let (_store_dir, store) = store();
        let (_dir, last) = last_slug();
        pack_files(&before, &store, &last);
        let mut after = before;
        for (name, change) in changes {
            match change {
                Some(content) => drop(after.insert(name, content)),
                None => drop(after.remove(&name)),
            }
        }
        let again = pack_files(&after, &store, &last);
        let (_other_dir, other) = super::store();
        prop_assert_eq!(again, pack_files(&after, &other, &no_last_slug()));
    }
}

#[test]
fn an_earlier_slug_that_is_damaged_or_gone_is_not_relied_on() {
    let (store_dir, other_store) = (store(), store());
    let (_store_dir, store) = store_dir;
    let (dir, last) = last_slug();
    let mut files = many_files();
    let first = pack_files(&files, &store, &last);
    files.insert("file-20".into(), b"changed".to_vec());
    let right = pack_files(&files, &other_store.1, &no_last_slug());

    let noted = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    let note = std::fs::read(&noted).unwrap();
    let damage = |path: &Path, every_bytes: u64| {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        let ends_at = file.metadata().unwrap().len();
        (0..ends_at).step_by(usize::try_from(every_bytes).unwrap()).for_each(|at| file.write_all_at(b"?!", at).unwrap());
    };
    let slug = store.path_of(&first.digest);
    std::fs::set_permissions(&slug, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    damage(&slug, 20_000);
    assert_eq!(pack_files(&files, &store, &last), right, "the slug is damaged");
    std::fs::write(&noted, &note).unwrap();
    std::fs::remove_file(&slug).unwrap();
    assert_eq!(pack_files(&files, &store, &last), right, "the slug is gone");
    damage(&noted, 1000);
    assert_eq!(pack_files(&files, &store, &last), right, "the note is damaged");
}

#[test]
fn most_runs_of_a_changed_folder_are_noted_already() {
    let (_store_dir, store) = store();
    let (dir, last) = last_slug();
    let mut files = many_files();
    let noted = || std::fs::read(std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path()).unwrap();
    pack_files(&files, &store, &last);
    let before = noted();
    files.insert("file-20b".into(), text(99, 1000));
    pack_files(&files, &store, &last);
    let runs = |noted: &[u8]| decode(noted).unwrap().1.into_iter().map(|note| note.run).collect::<Vec<_>>();
    let (before, after) = (runs(&before), runs(&noted()));
    let new = after.iter().filter(|run| !before.contains(run)).count();
    assert!(before.len() > 15 && (1..=4).contains(&new), "{new} of {}", before.len());
}

#[test]
fn the_same_folder_writes_nothing() {
    let (store_dir, store) = store();
    let (_dir, last) = last_slug();
    let first = pack_files(&many_files(), &store, &last);
    let slug = store.path_of(&first.digest);
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
    let before = inode(&slug);
    // Nothing could be written now.
    std::fs::remove_dir(store_dir.path().join("tmp")).unwrap();
    assert_eq!(pack_files(&many_files(), &store, &last), first);
    assert_eq!(inode(&slug), before);
}

#[test]
fn a_slug_that_is_the_earlier_ones_beginning_or_goes_on_behind_it_is_its_own() {
    let (_store_dir, store) = store();
    let files = many_files();
    for (case, change) in [("less", files.len() - 1), ("more", files.len() + 1)] {
        let (_dir, last) = last_slug();
        pack_files(&files, &store, &last);
        let changed: Files = files.clone().into_iter().chain([("file-99".to_owned(), text(99, 100))]).take(change).collect();
        let (_other_dir, other) = super::store();
        let packed = pack_files(&changed, &store, &last);
        assert_eq!(packed, pack_files(&changed, &other, &no_last_slug()), "{case}");
        let whole = |store: &Store| std::fs::read(store.path_of(&packed.digest)).unwrap();
        assert!(whole(&store) == whole(&other), "{case}");
    }
}
