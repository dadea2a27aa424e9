//! Not written yet.

pub mod builtin;
