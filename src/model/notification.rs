//! Notifications: who is told of an app's releases.

use time::OffsetDateTime;

use super::{AccountId, AppId, Email, Invalid, NotificationId};

/// Who is told, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// Run in what is the current release then.
    Command(String),
    Email(Email),
    /// Posted to. May hold a secret of the receiver's: not for logs.
    Url(String),
}

impl Recipient {
    /// Reads what [`Recipient::kind`] and [`Recipient::target`] have written. What may be a command or a URL, the doors say.
    pub fn parse(kind: &str, target: String) -> Result<Self, Invalid> {
        match kind {
            "command" => Ok(Self::Command(target)),
            "email" => Ok(Self::Email(target.parse()?)),
            "url" => Ok(Self::Url(target)),
            _ => Err(Invalid(format!("`{}` is no kind of notification: it is command, email or url.", kind.escape_debug()))),
        }
    }

    /// The word used in the API and in the database.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Email(_) => "email",
            Self::Url(_) => "url",
        }
    }

    /// The command, the address or the URL.
    #[must_use]
    pub fn target(&self) -> &str {
        match self {
            Self::Command(text) | Self::Url(text) => text,
            Self::Email(email) => email.as_str(),
        }
    }
}

/// Somebody who is told of an app's releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub id: NotificationId,
    pub app: AppId,
    /// Who asked for it.
    pub by: AccountId,
    pub to: Recipient,
    pub created_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_read_as_they_are_written() {
        for (kind, target) in [("command", "echo hello"), ("email", "a@example.com"), ("url", "https://h/x")] {
            let read = Recipient::parse(kind, target.into()).unwrap();
            assert_eq!((read.kind(), read.target()), (kind, target));
        }
        assert!(Recipient::parse("email", "nobody".into()).is_err());
        assert!(Recipient::parse("fax", "1".into()).unwrap_err().0.starts_with("`fax` is no kind of notification"));
    }
}
