//! What a user hears who could not log in.

use std::fmt;

/// Characters of a stranger's user name that are repeated to him.
const SHOWN: usize = 32;

/// The reason why the last key was refused.
#[derive(Debug, Clone, Default)]
pub(super) enum Advice {
    #[default]
    NoKey,
    WrongUser(String),
    UnknownKey(String),
    Sha1,
    OurFault,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => {
                writeln!(f, "hoist knows its users by their SSH keys, and your client offered none that can be used.")
            }
            Self::WrongUser(user) => {
                let user: String = user.chars().take(SHOWN).collect();
                writeln!(f, "The user name for hoist is `git`, not `{}`: use ssh://git@HOST/APP.git", user.escape_debug())
            }
            Self::UnknownKey(fingerprint) => writeln!(
                f,
                "hoist does not know your SSH key {fingerprint}.\n\
                 Ask your administrator for `hoist admin user:add EMAIL --key FILE`, or add it yourself with `hoist keys:add FILE`."
            ),
            Self::Sha1 => {
                writeln!(f, "Your client signs with ssh-rsa (SHA-1), which is not safe: use a newer one, or an ed25519 key.")
            }
            Self::OurFault => writeln!(f, "Keys can't be looked up now. It is hoist's fault, not yours. Please try again."),
        }
    }
}
