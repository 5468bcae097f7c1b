//! Data keys: where they come from, and the bounded cache of those that were unwrapped.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::SealingContext;
use crate::{clock::Clock, store::BoxError};

/// The length of a data key.
pub const DATA_KEY_BYTES: usize = 32;

/// A 256-bit key in the clear: wiped when its last holder drops it, never shown.
///
/// Its bytes stay in one place, whoever holds it: a value that moves, within a growing map too, would leave copies behind
/// that nobody wipes.
#[derive(Clone)]
pub struct DataKey(Arc<Zeroizing<[u8; DATA_KEY_BYTES]>>);

impl DataKey {
    /// Takes the key in.
    #[must_use]
    pub fn new(bytes: [u8; DATA_KEY_BYTES]) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// Takes the key in from a slice of the right length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::new)
    }

    pub(super) fn expose(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([redacted])")
    }
}

/// A data key as KMS wrapped it; safe to store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WrappedKey(pub Vec<u8>);

/// Why a data key could not be had.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The key service refuses: wrong context, tampered or foreign key, disabled or deleted wrapping key.
    #[error("the key service refuses the data key")]
    Refused(#[source] BoxError),
    /// The key service did not answer; trying again may help.
    #[error("the key service did not answer")]
    Unavailable(#[source] BoxError),
}

/// The service that makes and unwraps data keys.
#[async_trait]
pub trait DataKeys: Send + Sync {
    /// Makes a data key bound to `context`.
    async fn generate(&self, context: &SealingContext<'_>) -> Result<(DataKey, WrappedKey), KeyError>;

    /// Unwraps a data key in the context in which it was made.
    async fn unwrap_key(&self, wrapped: &[u8], context: &SealingContext<'_>) -> Result<DataKey, KeyError>;
}

/// How many unwrapped keys are kept at most; a warm function serves a few hundred connections between cold starts.
const MAX_ENTRIES: usize = 500;
/// How long an unwrapped key is kept; a revoked right is felt after this time at the latest.
const MAX_AGE: Duration = Duration::from_mins(5);
/// How often an unwrapped key is used before it is asked for again.
const MAX_USES: u32 = 10_000;

/// Unwrapped keys of the warm path, in front of the key service: bounded in number, age and uses; wiped when dropped.
pub struct CachedDataKeys {
    inner: Arc<dyn DataKeys>,
    clock: Arc<dyn Clock>,
    entries: Mutex<HashMap<[u8; 32], Entry>>,
}

struct Entry {
    key: DataKey,
    unwrapped_at: Timestamp,
    uses: u32,
}

impl Entry {
    fn is_fresh(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.unwrapped_at);
        self.uses < MAX_USES && !age.is_negative() && age.unsigned_abs() < MAX_AGE
    }
}

impl CachedDataKeys {
    /// Puts an empty cache in front of `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn DataKeys>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock, entries: Mutex::default() }
    }

    fn cached(&self, name: &[u8; 32]) -> Option<DataKey> {
        let now = self.clock.now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get_mut(name).filter(|entry| entry.is_fresh(now)) {
            entry.uses += 1;
            return Some(entry.key.clone());
        }
        // Whatever the key service is about to answer, no key outlives its time for want of a successor.
        entries.retain(|_, entry| entry.is_fresh(now));
        None
    }

    fn keep(&self, name: [u8; 32], key: DataKey) {
        let now = self.clock.now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_ENTRIES {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.unwrapped_at).map(|(name, _)| *name);
            oldest.and_then(|name| entries.remove(&name));
        }
        entries.insert(name, Entry { key, unwrapped_at: now, uses: 1 });
    }
}

#[async_trait]
impl DataKeys for CachedDataKeys {
    async fn generate(&self, context: &SealingContext<'_>) -> Result<(DataKey, WrappedKey), KeyError> {
        self.inner.generate(context).await
    }

    async fn unwrap_key(&self, wrapped: &[u8], context: &SealingContext<'_>) -> Result<DataKey, KeyError> {
        // The name covers the context, so that a key cached for one place is never handed out in another.
        let mut name = Sha256::new();
        name.update(context.associated_data([0; 3], 0));
        name.update(wrapped);
        let name: [u8; 32] = name.finalize().into();
        if let Some(key) = self.cached(&name) {
            return Ok(key);
        }
        let key = self.inner.unwrap_key(wrapped, context).await?;
        self.keep(name, key.clone());
        Ok(key)
    }
}

#[cfg(test)]
mod tests;
