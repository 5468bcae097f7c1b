//! Where every random value of the simulator comes from; a seed makes it repeatable.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{
    Rng as _, RngExt as _, SeedableRng as _,
    rngs::{StdRng, SysRng},
};
use uuid::Uuid;

use crate::guarded::Guarded;

const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct EntropyError(#[source] rand::rngs::SysError);

/// A shared random generator.
#[derive(Debug)]
pub(crate) struct Chance(Guarded<StdRng>);

impl Chance {
    /// Makes a generator: the same values for the same seed, unpredictable ones without a seed.
    pub(crate) fn new(seed: Option<u64>) -> Result<Self, EntropyError> {
        let generator = match seed {
            Some(seed) => StdRng::seed_from_u64(seed),
            None => StdRng::try_from_rng(&mut SysRng).map_err(EntropyError)?,
        };
        Ok(Self(Guarded::new(generator)))
    }

    pub(crate) fn alphanumeric(&self, length: usize) -> String {
        self.pick(ALPHANUMERIC, length)
    }

    pub(crate) fn digits(&self, length: usize) -> String {
        self.pick(b"0123456789", length)
    }

    pub(crate) fn hex(&self, length: usize) -> String {
        self.pick(b"0123456789abcdef", length)
    }

    pub(crate) fn base64_url(&self, bytes: usize) -> String {
        let mut raw = vec![0; bytes];
        self.0.lock().fill_bytes(&mut raw);
        URL_SAFE_NO_PAD.encode(raw)
    }

    pub(crate) fn below(&self, bound: usize) -> usize {
        self.0.lock().random_range(0..bound.max(1))
    }

    pub(crate) fn uuid(&self) -> Uuid {
        let mut raw = [0; 16];
        self.0.lock().fill_bytes(&mut raw);
        uuid::Builder::from_random_bytes(raw).into_uuid()
    }

    fn pick(&self, alphabet: &[u8], length: usize) -> String {
        let mut generator = self.0.lock();
        (0..length).map(|_| char::from(alphabet[generator.random_range(0..alphabet.len())])).collect()
    }
}
