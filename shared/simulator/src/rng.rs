//! Random numbers from one seed: the same seed gives the same numbers on every machine.

use jiff::SignedDuration;

/// A stream of random numbers (`SplitMix64`: a counter and a mixer, so that neighboring seeds give unrelated streams).
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
    /// Whether every number is the middle of its range instead of random.
    is_fixed: bool,
}

impl Rng {
    /// The stream of a seed.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed, is_fixed: false }
    }

    /// A stream without randomness, in which every number is the middle of its range: an event with a probability below
    /// one half never occurs, and a duration from 1 s to 60 s is about 30 s.
    pub const fn fixed() -> Self {
        Self { state: 0, is_fixed: true }
    }

    /// Splits off a separate stream for one purpose. Further draws from the new stream do not change the draws from
    /// this one.
    #[must_use]
    pub fn split(&mut self) -> Self {
        if self.is_fixed {
            return Self::fixed();
        }
        Self::new(self.draw())
    }

    /// The next 64 bits.
    pub const fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where `end` is 0.
    pub const fn below(&mut self, end: u64) -> u64 {
        if self.is_fixed {
            return end / 2;
        }
        let drawn = self.draw();
        if end == 0 { 0 } else { drawn % end }
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// True with this probability, in cases per million.
    pub const fn happens(&mut self, per_million: u32) -> bool {
        self.below(1_000_000) < per_million as u64
    }

    /// A duration from `low` to `high`, in whole milliseconds.
    pub fn duration(&mut self, low: SignedDuration, high: SignedDuration) -> SignedDuration {
        let milliseconds = |duration: SignedDuration| u64::try_from(duration.as_millis()).unwrap_or(0);
        let drawn = self.between(milliseconds(low), milliseconds(high));
        SignedDuration::from_millis(i64::try_from(drawn).unwrap_or(i64::MAX))
    }

    /// A random element of the slice. None: the slice is empty.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let position = self.below(u64::try_from(of.len()).unwrap_or(0));
        of.get(usize::try_from(position).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_throws_the_same_rng_and_its_neighbour_others() {
        let throw = |seed| {
            std::iter::repeat_with({
                let mut rng = Rng::new(seed);
                move || rng.below(6)
            })
            .take(20)
            .collect::<Vec<_>>()
        };
        assert_eq!(throw(7), throw(7));
        assert_ne!(throw(7), throw(8));
    }

    #[test]
    fn fixed_rng_fall_in_the_middle_and_so_do_those_that_are_split_off() {
        let mut rng = Rng::fixed();
        assert_eq!((rng.below(10), rng.between(2, 4), rng.split().between(2, 4)), (5, 3, 3));
        assert!(!rng.happens(500_000) && rng.happens(500_001));
    }

    #[test]
    fn what_never_happens_does_not_and_what_always_happens_does() {
        let mut rng = Rng::new(1);
        assert!((0..1_000).all(|_| !rng.happens(0)));
        assert!((0..1_000).all(|_| rng.happens(1_000_000)));
    }

    #[test]
    fn a_range_includes_both_its_ends() {
        let mut rng = Rng::new(1);
        let drawn: std::collections::BTreeSet<u64> = (0..1_000).map(|_| rng.between(3, 5)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
    }
}
