//! Sealing of tokens: envelope encryption that opens only in its own place.
//!
//! `docs/sealing.md` specifies the format byte by byte and holds a test vector.

mod context;
mod envelope;
mod keys;
mod tokens;
#[cfg(test)]
mod vectors;

pub use context::{Purpose, SealingContext};
pub use envelope::{OpenError, SealError, open, seal, wrapped_key};
pub use keys::{CachedDataKeys, DATA_KEY_BYTES, DataKey, DataKeys, KeyError, WrappedKey};
pub use tokens::{
    MAX_KEY_AGE, OpenedRefresh, SealTokensError, SealedPair, TokenSealer, UnsealError, fingerprint,
};
