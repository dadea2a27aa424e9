//! What a person may do in an app: Heroku's four permissions, and the one table of what each of them allows.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Invalid;

/// A permission in an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    Deploy,
    Manage,
    Operate,
    View,
}

/// What can be done in an app, as far as rights are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// See the app, its builds, releases, formation, dynos and collaborators, and what builds and commands have
    /// printed.
    See,
    /// Read its log: what has happened, and what its commands have printed.
    ReadLog,
    /// Get the code: slugs and their archives.
    ReadCode,
    /// Push, build, upload a slug and release it, set buildpacks, promote, place the app in a pipeline.
    Deploy,
    /// Read and change config vars, also those of earlier releases.
    Configure,
    /// Roll back, release again, block a release, run and stop commands, scale.
    Operate,
    /// Rename and destroy the app, choose its stack, say who may do what, read the audit trail.
    Manage,
}

impl Action {
    /// The table. Any one of the permissions is enough.
    ///
    /// After Heroku's "App Permissions and Allowed Actions": who may push may also read config vars there, because the
    /// pushed code could tell them. Nothing stays with the owner alone, except that an owner has every permission and
    /// can't lose one.
    #[must_use]
    pub fn needs(self) -> &'static [Permission] {
        match self {
            Self::See | Self::ReadLog => &[Permission::View],
            Self::ReadCode | Self::Deploy => &[Permission::Deploy],
            Self::Configure | Self::Operate => &[Permission::Deploy, Permission::Operate],
            Self::Manage => &[Permission::Manage],
        }
    }
}

impl Permission {
    pub const ALL: [Self; 4] = [Self::Deploy, Self::Manage, Self::Operate, Self::View];

    /// Heroku's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Manage => "manage",
            Self::Operate => "operate",
            Self::View => "view",
        }
    }

    /// What it allows, in short.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Deploy => "Push code, set buildpacks and promote; what operate allows",
            Self::Manage => "Rename and destroy the app, add and remove collaborators, read the audit trail",
            Self::Operate => "Change config vars, scale, run commands and roll back",
            Self::View => "See the app, its builds and its releases",
        }
    }
}

impl FromStr for Permission {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|permission| permission.as_str() == text)
            .ok_or_else(|| Invalid(format!("`{}` is not a permission: use deploy, manage, operate or view", text.escape_debug())))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The permissions that somebody has in an app. Whoever has any has `view`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Permissions(BTreeSet<Permission>);

impl Permissions {
    /// What an owner has.
    #[must_use]
    pub fn all() -> Self {
        Self::from_iter(Permission::ALL)
    }

    /// Tells whether the action is allowed.
    #[must_use]
    pub fn allow(&self, action: Action) -> bool {
        action.needs().iter().any(|permission| self.0.contains(permission))
    }

    /// In alphabetical order, as Heroku shows them.
    pub fn iter(&self) -> impl Iterator<Item = Permission> {
        self.0.iter().copied()
    }
}

/// What a collaborator gets when nothing is said: to work on the app, but not to decide about it.
impl Default for Permissions {
    fn default() -> Self {
        Self::from_iter([Permission::Deploy, Permission::Operate])
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<T: IntoIterator<Item = Permission>>(permissions: T) -> Self {
        Self(permissions.into_iter().chain([Permission::View]).collect())
    }
}

/// `deploy,view`
impl FromStr for Permissions {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::parse).collect()
    }
}

impl TryFrom<String> for Permissions {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Permissions> for String {
    fn from(permissions: Permissions) -> Self {
        permissions.to_string()
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Permission::as_str).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_permission_allows_what_the_table_says() {
        let allowed = |permissions: &str| {
            let permissions: Permissions = permissions.parse().unwrap();
            let all = [
                ("see", Action::See),
                ("log", Action::ReadLog),
                ("code", Action::ReadCode),
                ("deploy", Action::Deploy),
                ("configure", Action::Configure),
                ("operate", Action::Operate),
                ("manage", Action::Manage),
            ];
            all.into_iter().filter(|(_, action)| permissions.allow(*action)).map(|(name, _)| name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(allowed("view"), "see log");
        assert_eq!(allowed("deploy"), "see log code deploy configure operate");
        assert_eq!(allowed("operate"), "see log configure operate");
        assert_eq!(allowed("manage"), "see log manage");
        assert_eq!(allowed("deploy,manage,operate"), "see log code deploy configure operate manage");
    }

    #[test]
    fn written_as_a_list() {
        let check = |text: &str, told: &str| assert_eq!(text.parse::<Permissions>().unwrap().to_string(), told, "{text}");
        check("", "view");
        check("operate, deploy,deploy", "deploy,operate,view");
        assert_eq!(Permissions::default().to_string(), "deploy,operate,view");
        assert!("deploy,own".parse::<Permissions>().unwrap_err().to_string().contains("`own` is not a permission"));
    }
}
