//! A set of objects, by their numbers.

use super::packs::Number;

/// One bit per object of the repository.
#[derive(Debug, Clone)]
pub(super) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// None of the objects whose numbers are below `end`.
    pub(super) fn none(end: u32) -> Self {
        Self { words: vec![0; end.div_ceil(64) as usize] }
    }

    /// Adds an object and tells whether it is new.
    pub(super) fn insert(&mut self, Number(number): Number) -> bool {
        let word = &mut self.words[number as usize / 64];
        let bit = 1 << (number % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    pub(super) fn contains(&self, Number(number): Number) -> bool {
        self.words[number as usize / 64] & (1 << (number % 64)) != 0
    }

    /// The numbers in it that are not below `start` and below `end`.
    pub(super) fn range(&self, start: u32, end: u32) -> impl Iterator<Item = Number> {
        let words = &self.words[start as usize / 64..end.div_ceil(64) as usize];
        let bits = (start / 64..).zip(words).flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                (left != 0).then(|| {
                    left &= left - 1;
                    at * 64 + bit
                })
            })
        });
        bits.filter(move |number| (start..end).contains(number)).map(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_what_was_put_into_it() {
        let mut bits = Bits::none(200);
        for number in [0, 63, 64, 130, 199] {
            assert!(bits.insert(Number(number)) && !bits.insert(Number(number)));
        }
        let range = |start, end| bits.range(start, end).map(|Number(number)| number).collect::<Vec<_>>();
        assert_eq!(range(0, 200), [0, 63, 64, 130, 199]);
        assert_eq!((range(1, 64), range(64, 199), range(65, 65)), (vec![63], vec![64, 130], vec![]));
        assert!(bits.contains(Number(130)) && !bits.contains(Number(131)));
    }
}
