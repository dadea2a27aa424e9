//! The transactions of a collection: one for each step, or one for all that is undone in the end.

use std::ops::{Deref, DerefMut};

use crate::db::{Connection, Db, DbError, Write};

#[derive(Debug)]
pub(super) enum Turns<'a> {
    Each(&'a Db),
    Undone(Write),
}

/// The right to write for one step.
#[derive(Debug)]
pub(super) enum Turn<'a> {
    Own(Write),
    Undone(&'a mut Write),
}

impl Turns<'_> {
    pub(super) async fn begin(&mut self) -> Result<Turn<'_>, DbError> {
        Ok(match self {
            Self::Each(db) => Turn::Own(db.write().await?),
            Self::Undone(whole) => Turn::Undone(whole),
        })
    }
}

impl Turn<'_> {
    pub(super) fn is_undone(&self) -> bool {
        matches!(self, Self::Undone(_))
    }

    pub(super) async fn end(self) -> Result<(), DbError> {
        match self {
            Self::Own(write) => Ok(write.commit().await?),
            Self::Undone(_) => Ok(()),
        }
    }
}

impl Deref for Turn<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match self {
            Self::Own(write) => write,
            Self::Undone(write) => write,
        }
    }
}

impl DerefMut for Turn<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        match self {
            Self::Own(write) => write,
            Self::Undone(write) => write,
        }
    }
}
