//! `[stacks.NAME]`: what is said of a single stack.

use serde::Deserialize;

use crate::model::StackName;

/// What whoever runs hoist says of a stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StackSettings {
    /// The stack that takes its place: whoever still builds on this one is told so. Default: of stacks that are called alike
    /// but for a number, as debian-12 and debian-13, the one with the highest.
    pub newer: Option<StackName>,
}
