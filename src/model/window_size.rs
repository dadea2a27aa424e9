//! How large somebody's terminal is.

use serde::{Deserialize, Serialize};

/// In characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSize {
    pub columns: u16,
    pub rows: u16,
}

impl WindowSize {
    /// The size that a terminal tells. One that does not know its own says 0 and takes what terminals always had.
    #[must_use]
    pub fn told(columns: u16, rows: u16) -> Self {
        let or = |number, usual| if number == 0 { usual } else { number };
        Self { columns: or(columns, 80), rows: or(rows, 24) }
    }
}
