//! Bounds what a server may say before its pack: refs are held in memory, the pack is not.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// The refs of a repository with a million of them.
const WORDS_BYTES: u64 = 96 * 1024 * 1024;

/// Bytes that may still be read. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Budget(Rc<Cell<Option<u64>>>);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Rc::new(Cell::new(Some(WORDS_BYTES))))
    }

    /// From here on the pack comes, whose size whoever takes it bounds.
    pub(super) fn lift(&self) {
        self.0.set(None);
    }

    pub(super) fn bound<R: Read>(&self, inner: R) -> Bounded<R> {
        Bounded { inner, budget: self.clone() }
    }
}

/// What can be read only within a budget.
pub(super) struct Bounded<R> {
    inner: R,
    budget: Budget,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        if let Some(left) = self.budget.0.get() {
            let left = left.checked_sub(read as u64).ok_or_else(|| io::Error::other("it says too much"))?;
            self.budget.0.set(Some(left));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_bounded_and_packs_are_not() {
        let endless = || Read::take(io::repeat(b'x'), WORDS_BYTES + 1);
        let budget = Budget::new();
        assert!(io::copy(&mut budget.bound(endless()), &mut io::sink()).is_err());
        let budget = Budget::new();
        budget.lift();
        assert_eq!(io::copy(&mut budget.bound(endless()), &mut io::sink()).unwrap(), WORDS_BYTES + 1);
    }
}
