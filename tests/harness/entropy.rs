//! Randomness that repeats.

use std::sync::Mutex;

use domain::entropy::Entropy;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// Randomness that is the same in every run with the same seed.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<StdRng>);

impl SeededEntropy {
    /// Randomness from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap().fill_bytes(bytes);
    }
}
