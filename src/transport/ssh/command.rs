//! The text that a client asks to run, read without a shell.

use crate::model::{AppName, Invalid, LfsOperation};
use crate::transport::app_path::parse_app_path;

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    ReceivePack(AppName),
    UploadPack(AppName),
    /// What somebody asks who wants files of Git LFS, or has some.
    LfsAuthenticate(AppName, LfsOperation),
}

/// Why a command is not run, in words for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CommandError {
    #[error("hoist keeps no archives of commits: clone the app, then run git archive there\n")]
    NoArchives,
    #[error("hoist does not run this command. It takes pushes and fetches only: git push ssh://git@HOST/APP.git main\n")]
    Unknown,
    /// Git LFS's client asks for this first, and without a word from here asks for the other at once.
    #[error("")]
    NoLfsTransfer,
    #[error("{0}\n")]
    Name(#[from] Invalid),
}

/// Reads `git-receive-pack 'APP.git'` and its likes.
pub(super) fn parse(text: &[u8]) -> Result<Command, CommandError> {
    let text = std::str::from_utf8(text).map_err(|_| CommandError::Unknown)?;
    let words = shlex::split(text).ok_or(CommandError::Unknown)?;
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["git-receive-pack", path] | ["git", "receive-pack", path] => Ok(Command::ReceivePack(parse_app_path(path)?)),
        ["git-upload-pack", path] | ["git", "upload-pack", path] => Ok(Command::UploadPack(parse_app_path(path)?)),
        ["git-lfs-authenticate", path, operation] | ["git-lfs-authenticate", path, operation, _] => {
            // Old clients name the object, too.
            Ok(Command::LfsAuthenticate(parse_app_path(path)?, operation.parse()?))
        }
        ["git-lfs-transfer", ..] => Err(CommandError::NoLfsTransfer),
        ["git-upload-archive", ..] | ["git", "upload-archive", ..] => Err(CommandError::NoArchives),
        _ => Err(CommandError::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_quotes_in_these_ways() {
        let app = Ok(Command::ReceivePack("my-app".parse().unwrap()));
        for text in ["git-upload-pack 'my-app.git'", "git upload-pack /my-app"] {
            assert_eq!(parse(text.as_bytes()), Ok(Command::UploadPack("my-app".parse().unwrap())), "{text}");
        }
        for text in [
            "git-receive-pack 'my-app.git'",
            "git-receive-pack '/my-app.git'",
            "git-receive-pack '~/my-app.git'",
            "git-receive-pack 'my-app'",
            "git-receive-pack '/my-app.git/'",
            "git receive-pack my-app.git",
            "git receive-pack \"my-app.git\"",
            "git-receive-pack my\\-app.git",
            "  git-receive-pack   my-app.git ",
        ] {
            assert_eq!(parse(text.as_bytes()), app, "{text}");
        }
    }

    #[test]
    fn git_lfs_asks_where_files_are() {
        let upload = Ok(Command::LfsAuthenticate("my-app".parse().unwrap(), LfsOperation::Upload));
        for text in ["git-lfs-authenticate '/my-app.git' upload", "git-lfs-authenticate my-app.git upload 4d7a"] {
            assert_eq!(parse(text.as_bytes()), upload, "{text}");
        }
        assert!(matches!(parse(b"git-lfs-authenticate my-app.git destroy"), Err(CommandError::Name(_))));
        assert_eq!(parse(b"git-lfs-authenticate my-app.git"), Err(CommandError::Unknown));
        assert_eq!(parse(b"git-lfs-transfer '/my-app.git' upload"), Err(CommandError::NoLfsTransfer));
    }

    #[test]
    fn a_quote_in_a_name_is_part_of_the_name() {
        let Err(CommandError::Name(Invalid(text))) = parse(br"git-receive-pack 'it'\''s.git'") else {
            panic!("no such name is allowed")
        };
        assert!(text.starts_with("There is no app `it\\'s.git`."), "{text}");
    }

    #[test]
    fn what_is_neither_push_nor_fetch_is_refused() {
        for text in ["git-upload-archive 'my-app.git'", "git upload-archive my-app.git"] {
            assert_eq!(parse(text.as_bytes()), Err(CommandError::NoArchives), "{text}");
        }
        for text in [
            "",
            "bash",
            "git",
            "git-receive-pack",
            "git-receive-pack 'my-app.git' other",
            "git-receive-pack --stateless-rpc 'my-app.git'",
            "git-upload-pack --strict 'my-app.git'",
            "git -c core.pager=x receive-pack my-app.git",
            "git-receive-pack 'my-app.git",
            "git-receive-pack my-app.git; sh",
            "git-receive-pack my-app.git && sh",
            "GIT-RECEIVE-PACK my-app.git",
            "scp -t .",
        ] {
            assert_eq!(parse(text.as_bytes()), Err(CommandError::Unknown), "{text}");
        }
        assert_eq!(parse(b"git-receive-pack \xff"), Err(CommandError::Unknown));
    }

    #[test]
    fn a_path_that_is_no_name_is_refused() {
        for path in ["..", "../other.git", "--upload-pack=sh", "my-app.git\0", "$(sh)", "`sh`", "my-app.git\n", ".", "''"] {
            let text = format!("git-receive-pack \"{path}\"");
            assert!(matches!(parse(text.as_bytes()), Err(CommandError::Name(_) | CommandError::Unknown)), "{text}");
        }
    }
}
