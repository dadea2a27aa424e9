//! The words for files that Git LFS was to send, and has not.

/// Most files that are named.
const MOST_NAMED: usize = 5;

/// Files of a pushed commit that are known only by what Git LFS has put in their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingLfs {
    /// The first of them.
    named: Vec<String>,
    count: usize,
    /// Where `.lfsconfig` has them sent instead, and where they are to be sent.
    elsewhere: Option<(String, String)>,
}

impl MissingLfs {
    pub(in crate::deploy) fn new(mut paths: Vec<String>, elsewhere: Option<(String, String)>) -> Self {
        let count = paths.len();
        paths.sort();
        paths.truncate(MOST_NAMED);
        Self { named: paths, count, elsewhere }
    }

    pub(super) fn words(&self) -> Vec<String> {
        let files = if self.count == 1 { "1 file".to_owned() } else { format!("{} files", self.count) };
        let mut lines = vec![format!("!\tPush rejected: Git LFS has not sent {files}, of which the commit has only pointers:")];
        lines.extend(self.named.iter().map(|path| format!("!\t  {}", path.escape_debug())));
        if self.count > self.named.len() {
            lines.push(format!("!\t  and {} more", self.count - self.named.len()));
        }
        let push = "lfs push --all REMOTE BRANCH";
        if let Some((url, here)) = &self.elsewhere {
            lines.push(format!("!\t.lfsconfig has them sent to {}.", url.escape_debug()));
            lines.push(format!("!\tSend them with `git -c lfs.url={here} {push}`, then push again."));
        } else {
            lines.push(format!("!\tSend them with `git {push}`, then push again."));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_files_are_named_and_what_to_do_is_said() {
        let missing = MissingLfs::new((0..7).rev().map(|number| format!("{number}.bin")).collect(), None);
        let expected = [
            "!\tPush rejected: Git LFS has not sent 7 files, of which the commit has only pointers:",
            "!\t  0.bin",
            "!\t  1.bin",
            "!\t  2.bin",
            "!\t  3.bin",
            "!\t  4.bin",
            "!\t  and 2 more",
            "!\tSend them with `git lfs push --all REMOTE BRANCH`, then push again.",
        ];
        assert_eq!(missing.words(), expected);
        let elsewhere = Some(("https://github.com/o/r.git/info/lfs".into(), "https://hoist/shop.git/info/lfs".into()));
        let words = MissingLfs::new(vec!["a\u{1b}".into()], elsewhere).words();
        let expected = [
            "!\tPush rejected: Git LFS has not sent 1 file, of which the commit has only pointers:",
            "!\t  a\\u{1b}",
            "!\t.lfsconfig has them sent to https://github.com/o/r.git/info/lfs.",
            "!\tSend them with `git -c lfs.url=https://hoist/shop.git/info/lfs lfs push --all REMOTE BRANCH`, then push again.",
        ];
        assert_eq!(words, expected);
    }
}
