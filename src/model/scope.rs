//! What an API token may be used for: Heroku's OAuth scopes.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::{Action, Invalid};

/// One scope of a token. "Protected" is what holds secrets: config vars, those of earlier releases among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everything that the account may do.
    Global,
    /// See who the account is, and nothing else.
    Identity,
    Read,
    ReadProtected,
    Write,
    WriteProtected,
}

/// What a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To see who the account is.
    Identity,
    /// To see apps and their like.
    Read,
    /// To see secrets.
    ReadProtected,
    /// To change apps and their like.
    Write,
    /// To change secrets.
    WriteProtected,
    /// To change the account: its keys, its tokens.
    Account,
}

impl Scope {
    const ALL: [Self; 6] = [Self::Global, Self::Identity, Self::Read, Self::ReadProtected, Self::Write, Self::WriteProtected];

    /// Heroku's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Identity => "identity",
            Self::Read => "read",
            Self::ReadProtected => "read-protected",
            Self::Write => "write",
            Self::WriteProtected => "write-protected",
        }
    }
}

impl FromStr for Scope {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Invalid(format!("`{}` is not a scope: use some of {known}", text.escape_debug()))
        })
    }
}

impl Need {
    /// For a request that reads, and is about something in an app.
    #[must_use]
    pub fn to_read(action: Action) -> Self {
        match action {
            Action::Configure => Self::ReadProtected,
            _ => Self::Read,
        }
    }

    /// For a request that changes something in an app. A log session is made only to be read, and shows no more than the
    /// outputs of builds and commands do, which `read` opens.
    #[must_use]
    pub fn to_change(action: Action) -> Self {
        match action {
            Action::ReadLog => Self::Read,
            Action::Configure => Self::WriteProtected,
            _ => Self::Write,
        }
    }

    /// The table. Any one of the scopes is enough; who may write may read, and every token may tell whose it is.
    #[must_use]
    pub fn scopes(self) -> &'static [Scope] {
        use Scope::{Global, Read, ReadProtected, Write, WriteProtected};
        match self {
            Self::Identity => &Scope::ALL,
            Self::Read => &[Read, Write, ReadProtected, WriteProtected, Global],
            Self::ReadProtected => &[ReadProtected, WriteProtected, Global],
            Self::Write => &[Write, WriteProtected, Global],
            Self::WriteProtected => &[WriteProtected, Global],
            Self::Account => &[Global],
        }
    }
}

/// The scopes of a token; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Tells whether a request may be made.
    #[must_use]
    pub fn allow(&self, need: Need) -> bool {
        need.scopes().iter().any(|scope| self.0.contains(scope))
    }

    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }
}

impl Default for Scopes {
    fn default() -> Self {
        Self([Scope::Global].into())
    }
}

/// No scope at all asks for what is usual.
impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        let scopes: BTreeSet<_> = scopes.into_iter().collect();
        if scopes.is_empty() { Self::default() } else { Self(scopes) }
    }
}

/// `read,write-protected`
impl FromStr for Scopes {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::parse).collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Scope::as_str).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scope_allows_what_the_table_says() {
        let allowed = |scopes: &str| {
            let scopes: Scopes = scopes.parse().unwrap();
            let all = [
                ("who", Need::Identity),
                ("read", Need::Read),
                ("read-secret", Need::ReadProtected),
                ("write", Need::Write),
                ("write-secret", Need::WriteProtected),
                ("account", Need::Account),
            ];
            all.into_iter().filter(|(_, need)| scopes.allow(*need)).map(|(name, _)| name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(allowed("identity"), "who");
        assert_eq!(allowed("read"), "who read");
        assert_eq!(allowed("write"), "who read write");
        assert_eq!(allowed("read-protected"), "who read read-secret");
        assert_eq!(allowed("write-protected"), "who read read-secret write write-secret");
        assert_eq!(allowed("read-protected,write"), "who read read-secret write");
        assert_eq!(allowed("global"), "who read read-secret write write-secret account");
    }

    #[test]
    fn written_as_a_list() {
        assert_eq!("".parse::<Scopes>().unwrap().to_string(), "global");
        assert_eq!("write, read".parse::<Scopes>().unwrap().to_string(), "read,write");
        assert!("read,all".parse::<Scopes>().unwrap_err().to_string().contains("`all` is not a scope"));
    }
}
