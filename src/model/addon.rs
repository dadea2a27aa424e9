//! Add-ons: databases that hoist makes for an app on a server of the operator's, and their attachments to apps.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{AddonId, AppId, AttachmentId, ConfigKey, Invalid};

/// What kind of database an add-on is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    Postgresql,
    Redis,
}

impl Service {
    /// Every kind that hoist knows, whether or not this installation offers it.
    pub const ALL: [Self; 2] = [Self::Postgresql, Self::Redis];

    /// The name used in the API and in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgresql => "hoist-postgresql",
            Self::Redis => "hoist-redis",
        }
    }

    /// The name for people.
    #[must_use]
    pub fn human_name(self) -> &'static str {
        match self {
            Self::Postgresql => "PostgreSQL",
            Self::Redis => "Redis",
        }
    }

    /// What an add-on's own name begins with, as at Heroku: `postgresql-flat-02648`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Postgresql => "postgresql",
            Self::Redis => "redis",
        }
    }

    /// The name of an app's first attachment, as at Heroku.
    fn first_attachment(self) -> &'static str {
        match self {
            Self::Postgresql => "DATABASE",
            Self::Redis => "REDIS",
        }
    }
}

impl FromStr for Service {
    type Err = Invalid;

    /// Also reads Heroku's names, so that its users' habits and their `app.json` files go on working.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "hoist-postgresql" | "heroku-postgresql" => Ok(Self::Postgresql),
            "hoist-redis" | "heroku-redis" => Ok(Self::Redis),
            _ => Err(Invalid(format!("Couldn't find the add-on service `{}`.", text.escape_debug()))),
        }
    }
}

/// What an add-on offers. There is one plan per service, so that a plan is told by its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub struct Plan(pub Service);

impl Plan {
    /// The name used in the API and in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self.0 {
            Service::Postgresql => "hoist-postgresql:essential-0",
            Service::Redis => "hoist-redis:mini",
        }
    }

    /// The names, behind the service's, that ask for it: Heroku's small plans, today's and former ones.
    fn names(self) -> &'static [&'static str] {
        match self.0 {
            Service::Postgresql => &["essential-0", "mini", "basic", "hobby-dev", "hobby-basic"],
            Service::Redis => &["mini", "hobby-dev"],
        }
    }
}

impl FromStr for Plan {
    type Err = Invalid;

    /// `SERVICE` or `SERVICE:PLAN`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = || {
            let text = text.escape_debug();
            // Heroku's own sentence, and what there is.
            Invalid(format!(
                "Couldn't find either the add-on service or the add-on plan of \"{text}\". There are: {}.",
                Service::ALL.map(|service| Self(service).as_str()).join(", ")
            ))
        };
        let (service, plan) = text.split_once(':').map_or((text, None), |(service, plan)| (service, Some(plan)));
        let found = Self(service.parse().map_err(|_| refuse())?);
        if plan.is_none_or(|plan| found.names().contains(&plan)) { Ok(found) } else { Err(refuse()) }
    }
}

impl TryFrom<String> for Plan {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Plan> for &'static str {
    fn from(plan: Plan) -> Self {
        plan.as_str()
    }
}

/// The name of an add-on: unique in the installation; letters, digits, `-` and `_`, starting with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AddonName(String);

impl AddonName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AddonName {
    type Err = Invalid;

    /// Source of the rule: the schema's `^[a-zA-Z][A-Za-z0-9_-]+$`. The length is ours.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if (2..=63).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid(
                "An add-on's name must start with a letter and can only contain letters, digits, dashes and underscores \
                 (2 to 63 characters)."
                    .into(),
            ))
        }
    }
}

impl fmt::Display for AddonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an attachment, `DATABASE`: unique in its app, and the beginning of the config var that it owns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttachmentName(String);

/// What further attachments are called, as at Heroku.
const COLOURS: [&str; 32] = [
    "AMBER", "AQUA", "BLACK", "BLUE", "BRONZE", "BROWN", "CHARCOAL", "COBALT", "COPPER", "CRIMSON", "CYAN", "GOLD", "GRAY",
    "GREEN", "IVORY", "JADE", "MAROON", "MAUVE", "NAVY", "OLIVE", "ONYX", "ORANGE", "PINK", "PUCE", "PURPLE", "RED", "ROSE",
    "SILVER", "TEAL", "VIOLET", "WHITE", "YELLOW",
];

impl AttachmentName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The config var that holds the add-on's address.
    #[must_use]
    pub fn config_var(&self) -> ConfigKey {
        format!("{}_URL", self.0).parse().expect("a name is short and of letters, digits and underscores")
    }

    /// The name of an attachment that nobody named, in an app whose config vars are `taken`.
    pub fn free(service: Service, taken: &BTreeSet<ConfigKey>) -> Result<Self, Invalid> {
        let prefix = service.as_str().replace('-', "_").to_ascii_uppercase();
        let first = Self(service.first_attachment().to_owned());
        let others = COLOURS.iter().map(|colour| Self(format!("{prefix}_{colour}")));
        let free = std::iter::once(first).chain(others).find(|name| !taken.contains(&name.config_var()));
        free.ok_or_else(|| Invalid("The app has no name left for one more attachment. Name it yourself.".into()))
    }
}

impl FromStr for AttachmentName {
    type Err = Invalid;

    /// Reads a name in capitals, as Heroku does.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if (1..=120).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(allowed) {
            Ok(Self(text.to_ascii_uppercase()))
        } else {
            Err(Invalid(
                "An attachment's name must start with a letter and can only contain letters, digits and underscores (at most \
                 120 characters)."
                    .into(),
            ))
        }
    }
}

impl fmt::Display for AttachmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an add-on stands. One that is gone has no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddonState {
    /// It was asked for, and is being made on its server.
    Provisioning,
    Provisioned,
    /// No app has it any more, and it is being removed from its server.
    Deprovisioning,
}

impl AddonState {
    /// The word used in the API and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Provisioned => "provisioned",
            Self::Deprovisioning => "deprovisioning",
        }
    }
}

impl FromStr for AddonState {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let all = [Self::Provisioning, Self::Provisioned, Self::Deprovisioning];
        all.into_iter().find(|state| state.as_str() == text).ok_or_else(|| Invalid(format!("`{text}` is not an add-on's state")))
    }
}

/// An add-on as the database knows it, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addon {
    pub id: AddonId,
    pub name: AddonName,
    /// The app that it was made for, and is destroyed with.
    pub app: AppId,
    pub plan: Plan,
    pub state: AddonState,
    /// The numbered place on its server, where servers have such.
    pub slot: Option<u32>,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// An add-on's use by an app, also by another than its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub id: AttachmentId,
    pub name: AttachmentName,
    pub app: AppId,
    pub addon: AddonId,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// What a release says of an add-on that was attached to its app.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachedAddon {
    pub id: AddonId,
    pub name: AddonName,
    pub plan: String,
    pub attachment: AttachmentName,
}

impl AttachedAddon {
    /// Says how the add-ons of one release differ from those of another; `None` if not. Names may have changed meanwhile:
    /// an add-on is told by its id.
    #[must_use]
    pub fn difference(then: &[Self], now: &[Self]) -> Option<String> {
        let missing = |one: &Self, list: &[Self]| !list.iter().any(|it| (it.id, &it.attachment) == (one.id, &one.attachment));
        let gone = then.iter().filter(|one| missing(one, now));
        let gone = gone.map(|one| format!("{} was attached as {} then", one.name, one.attachment));
        let new = now.iter().filter(|one| missing(one, then));
        let new = new.map(|one| format!("{} is attached as {} now", one.name, one.attachment));
        let all: Vec<String> = gone.chain(new).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_have_herokus_names_too() {
        for text in ["hoist-postgresql", "heroku-postgresql", "heroku-postgresql:essential-0", "heroku-postgresql:hobby-dev"] {
            assert_eq!(text.parse(), Ok(Plan(Service::Postgresql)), "{text}");
        }
        for text in ["hoist-redis:mini", "heroku-redis", "heroku-redis:hobby-dev"] {
            assert_eq!(text.parse(), Ok(Plan(Service::Redis)), "{text}");
        }
        for bad in ["", "papertrail", "hoist-redis:", "hoist-postgresql:premium-9", "hoist-redis:essential-0"] {
            assert!(bad.parse::<Plan>().is_err(), "{bad}");
        }
        for plan in Service::ALL.map(Plan) {
            assert_eq!(plan.as_str().parse(), Ok(plan));
        }
    }

    #[test]
    fn the_first_attachment_is_named_for_its_use_and_the_next_for_colours() {
        let taken = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let free = |names: &[&str]| AttachmentName::free(Service::Postgresql, &taken(names)).unwrap().0;
        assert_eq!(free(&["REDIS_URL"]), "DATABASE");
        assert_eq!(free(&["DATABASE_URL"]), "HOIST_POSTGRESQL_AMBER");
        assert_eq!(free(&["DATABASE_URL", "HOIST_POSTGRESQL_AMBER_URL"]), "HOIST_POSTGRESQL_AQUA");
        let mut all = taken(&["REDIS_URL"]);
        while let Ok(name) = AttachmentName::free(Service::Redis, &all) {
            assert!(all.insert(name.config_var()), "{name} was taken");
        }
        assert_eq!(all.len(), 1 + COLOURS.len());
    }

    #[test]
    fn names_are_checked() {
        for bad in ["", "1A", "A-B", "A B", &"A".repeat(121)] {
            assert!(bad.parse::<AttachmentName>().is_err(), "{bad}");
        }
        assert_eq!("users_db".parse::<AttachmentName>().unwrap().config_var().as_str(), "USERS_DB_URL");
        for bad in ["", "a", "1abc", "a b", "a\"b", &"a".repeat(64)] {
            assert!(bad.parse::<AddonName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_difference_names_the_add_on() {
        let one = |id, name: &str, attachment: &str| AttachedAddon {
            id,
            name: name.parse().unwrap(),
            plan: "hoist-redis:mini".into(),
            attachment: attachment.parse().unwrap(),
        };
        let (a, b) = (AddonId::new(), AddonId::new());
        let (then, now) = ([one(a, "old-name", "REDIS")], [one(a, "new-name", "REDIS")]);
        assert_eq!(AttachedAddon::difference(&then, &now), None);
        assert_eq!(
            AttachedAddon::difference(&then, &[one(b, "other", "REDIS")]).unwrap(),
            "old-name was attached as REDIS then, other is attached as REDIS now"
        );
    }
}
