//! Who acts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{AccountId, Invalid};

/// An e-mail address, the public name of an account. Checked for form only: one `@`, something on both sides,
/// no white space or control characters, at most 254 bytes. Kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

impl Email {
    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the address is at a domain itself, not at one below it.
    #[must_use]
    pub fn is_at(&self, domain: &MailDomain) -> bool {
        self.0.split_once('@').is_some_and(|(_, own)| own == domain.0)
    }
}

/// What stands behind the `@` of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MailDomain(String);

impl TryFrom<String> for MailDomain {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        // Whatever makes an address of it is one.
        let refuse = |_| Invalid(format!("`{}` is not a domain of e-mail addresses", text.escape_debug()));
        let Email(address) = format!("x@{text}").parse().map_err(refuse)?;
        Ok(Self(address["x@".len()..].to_owned()))
    }
}

impl FromStr for Email {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let good = text.len() <= 254
            && text.chars().all(|c| !c.is_whitespace() && !c.is_control())
            && matches!(text.split_once('@'), Some((user, host)) if !user.is_empty() && !host.is_empty() && !host.contains('@'));
        if good {
            Ok(Self(text.to_lowercase()))
        } else {
            Err(Invalid(format!("`{}` is not an e-mail address", text.escape_debug())))
        }
    }
}

impl TryFrom<String> for Email {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A user of this installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub email: Email,
    /// What the user calls themselves.
    pub name: Option<String>,
    pub created_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_at_their_own_domain_alone() {
        let domain = |text: &str| MailDomain::try_from(text.to_owned());
        let corp = domain("Corp.Example").unwrap();
        let is_at = |address: &str| address.parse::<Email>().unwrap().is_at(&corp);
        assert!(is_at("a@corp.example") && is_at("A@CORP.example"));
        assert!(!is_at("a@sub.corp.example") && !is_at("a@evilcorp.example") && !is_at("corp.example@x"));
        for bad in ["", "@corp.example", "a@corp.example", "two words", "line\nbreak"] {
            assert!(domain(bad).is_err(), "{bad:?}");
        }
    }
}
