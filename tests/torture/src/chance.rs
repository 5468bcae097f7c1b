//! The one source of everything that is left to chance.

use std::{
    ops::RangeInclusive,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use domain::entropy::Entropy;
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};

/// Chance that repeats: the same seed brings the same world.
pub(crate) struct Chance(Mutex<StdRng>);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// Any number.
    pub(crate) fn number(&self) -> u64 {
        self.rng().next_u64()
    }

    /// A number below `limit`.
    pub(crate) fn below(&self, limit: usize) -> usize {
        self.rng().random_range(0..limit.max(1))
    }

    /// Whether something happens that does so with this probability.
    pub(crate) fn happens(&self, probability: f64) -> bool {
        probability > 0.0 && self.rng().random_bool(probability.min(1.0))
    }

    /// A number within a range.
    pub(crate) fn within(&self, range: RangeInclusive<i64>) -> i64 {
        self.rng().random_range(range)
    }

    /// A time within a range, short ones as likely as long ones ten times their length.
    pub(crate) fn lasting(&self, range: RangeInclusive<Duration>) -> Duration {
        let (shortest, longest) = (range.start().as_secs_f64().max(0.001), range.end().as_secs_f64());
        let exponent: f64 = self.rng().random();
        Duration::from_secs_f64(shortest * (longest / shortest).max(1.0).powf(exponent))
    }

    /// How often something happens that does so `mean` times on average.
    pub(crate) fn times(&self, mean: f64) -> usize {
        let mut rng = self.rng();
        let (mut times, mut left) = (0, mean);
        while left > 0.0 {
            times += usize::from(rng.random_bool(left.min(1.0)));
            left -= 1.0;
        }
        times
    }

    fn rng(&self) -> MutexGuard<'_, StdRng> {
        self.0.lock().unwrap()
    }
}

impl Entropy for Chance {
    fn fill(&self, bytes: &mut [u8]) {
        self.rng().fill_bytes(bytes);
    }
}
