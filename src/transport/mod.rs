//! The doors.

mod decide;
pub mod push;
