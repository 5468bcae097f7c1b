//! Where randomness comes from.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRng as _, rngs::SysRng};

/// A source of cryptographically strong random bytes; injected so that tests are repeatable.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with random values.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::expect_used, reason = "without randomness no key, nonce or state may be made")]
    fn fill(&self, bytes: &mut [u8]) {
        SysRng.try_fill_bytes(bytes).expect("the operating system has a random source");
    }
}

/// Draws `N` random bytes.
#[must_use]
pub fn bytes<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

/// Draws a 256-bit value as 43 characters of URL-safe base64, for one-time links, states and cookies.
///
/// 256 bits are twice what OWASP ASVS 5.0 (11.5.1) asks of an unguessable value.
#[must_use]
pub fn one_time_value(entropy: &dyn Entropy) -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>(entropy))
}

/// Draws a number in `0..=limit`, for jitter; the slight bias of the modulo does not matter there.
#[must_use]
pub fn up_to(entropy: &dyn Entropy, limit: u64) -> u64 {
    u64::from_le_bytes(bytes(entropy)) % limit.saturating_add(1)
}
