//! One page of a list, by its numbers or by a text.

use std::ops::Bound;

/// Which rows of a numbered list (releases, builds) to read, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First number.
    pub from: u32,
    /// Last number.
    pub to: u32,
    pub order: Order,
    /// Most rows.
    pub most: u32,
}

/// Which rows of a list that a text orders (names, ids) to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextWindow {
    pub column: &'static str,
    pub from: Bound<String>,
    pub to: Bound<String>,
    pub order: Order,
    /// Most rows.
    pub most: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Ascending,
    Descending,
}

impl Order {
    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Ascending => "ASC",
            Self::Descending => "DESC",
        }
    }
}

impl TextWindow {
    /// `AND` conditions that hold within the bounds; the texts are the parameters `?2` and `?3`, where they are bounds.
    pub(super) fn conditions(&self) -> String {
        let column = self.column;
        let from = match self.from {
            Bound::Unbounded => String::new(),
            Bound::Included(_) => format!(" AND {column} >= ?2"),
            Bound::Excluded(_) => format!(" AND {column} > ?2"),
        };
        match self.to {
            Bound::Unbounded => from,
            Bound::Included(_) => format!("{from} AND {column} <= ?3"),
            Bound::Excluded(_) => format!("{from} AND {column} < ?3"),
        }
    }
}
