//! One page of a numbered list.

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

/// By number.
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
