//! The sizes of dynos. hoist runs nothing, so they are names for whatever does: Heroku's, which its clients know.

use super::Invalid;

/// One size, as Heroku's documents give it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DynoSize {
    pub name: &'static str,
    /// Share of CPU.
    pub compute: u32,
    pub memory_gb: f64,
    /// Whether it has a host of its own.
    pub dedicated: bool,
}

impl DynoSize {
    /// The size of what nobody has sized.
    pub const DEFAULT: &str = "Basic";

    /// All of them, smallest first.
    pub const ALL: [Self; 6] = [
        Self::new("Eco", 1, 0.5, false),
        Self::new("Basic", 1, 0.5, false),
        Self::new("Standard-1X", 1, 0.5, false),
        Self::new("Standard-2X", 2, 1.0, false),
        Self::new("Performance-M", 12, 2.5, true),
        Self::new("Performance-L", 50, 14.0, true),
    ];

    const fn new(name: &'static str, compute: u32, memory_gb: f64, dedicated: bool) -> Self {
        Self { name, compute, memory_gb, dedicated }
    }

    /// Finds a size by its name, in any case.
    ///
    /// # Errors
    /// When there is none of this name, with those there are.
    pub fn named(name: &str) -> Result<Self, Invalid> {
        let refuse = || {
            let known = Self::ALL.map(|size| size.name).join(", ");
            Invalid(format!("There is no dyno size `{}`: use one of {known}.", name.escape_debug()))
        };
        Self::ALL.into_iter().find(|size| size.name.eq_ignore_ascii_case(name)).ok_or_else(refuse)
    }
}
