//! Not written yet.

/// Placeholder signatures.
#[derive(Debug, Clone)]
pub struct Store(());
