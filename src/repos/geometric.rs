//! Which packs become one, so that there are few of them and nothing is written again too often.
//!
//! As git-repack(1) has it (`--geometric`): packs are left alone as long as each is at least twice as large as the one before.
//! Of those that break that rule, and all smaller ones, one is made. Whatever is written again is then in a pack of at least
//! twice the size, which happens to it no more often than sizes can be doubled.

/// How much larger than the one before a pack is to be.
const FACTOR: u64 = 2;

/// Fewer packs than that are not worth it.
pub(super) const FEWEST: u32 = 10;

/// How many of the packs with these sizes, the smallest first, are to become one; none if it is not worth it.
pub(super) fn how_many(sizes: &[u64]) -> usize {
    let breaks = |pair: &[u64]| pair[1] < FACTOR.saturating_mul(pair[0]);
    let Some(last) = sizes.windows(2).rposition(breaks) else { return 0 };
    let mut count = last + 2;
    let mut total: u64 = sizes[..count].iter().sum();
    // What they make together must not break the rule again.
    while let Some(next) = sizes.get(count).filter(|next| **next < FACTOR.saturating_mul(total)) {
        total += next;
        count += 1;
    }
    if count < FEWEST as usize { 0 } else { count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_the_rule_becomes_one() {
        let powers: Vec<u64> = (0..40).map(|power| 1 << power).collect();
        assert_eq!(how_many(&powers), 0);
        assert_eq!(how_many(&[]), 0);
        assert_eq!(how_many(&[5; 9]), 0, "too few");
        assert_eq!(how_many(&[5; 10]), 10);
        let with = |large: &[u64]| how_many(&[&[5; 10], large].concat());
        assert_eq!(with(&[100]), 10, "it is twice as large as what they make");
        assert_eq!(with(&[99]), 11);
        assert_eq!(with(&[99, 290, 10_000]), 12, "so is this then");
        assert_eq!(with(&[99, 298, 10_000]), 11);
        assert_eq!(how_many(&[1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 10_000]), 10);
        assert_eq!(how_many(&[u64::MAX / 32; 10]), 10);
    }

    #[test]
    fn nothing_is_written_often_and_packs_stay_few() {
        let (mut packs, mut written, mut most) = (Vec::new(), 0, 0);
        let pushes = 10_000_u64;
        for push in 0..pushes {
            packs.push(1 + push % 3);
            packs.sort_unstable();
            let count = how_many(&packs);
            let made: u64 = packs.drain(..count).sum();
            if made > 0 {
                packs.push(made);
                packs.sort_unstable();
                written += made;
            }
            most = most.max(packs.len());
        }
        let pushed: u64 = packs.iter().sum();
        assert!(written < pushed * u64::from(pushed.ilog2()), "{written} bytes written of {pushed}");
        assert!(most <= 25, "{most} packs");
    }
}
