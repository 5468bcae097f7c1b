//! Data keys in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use domain::{
    entropy::{self, SystemEntropy},
    sealing::{DataKey, DataKeys, KeyError, SealingContext, WrappedKey},
};

type Context = BTreeMap<&'static str, String>;

/// The length of a 256-bit key as KMS wraps it.
const WRAPPED_BYTES: usize = 184;

/// A key service that remembers each key it wrapped, with its context, and counts its calls.
#[derive(Debug, Default)]
pub struct InMemoryDataKeys {
    keys: Mutex<HashMap<Vec<u8>, (DataKey, Context)>>,
    calls: AtomicUsize,
}

impl InMemoryDataKeys {
    /// How often it was asked.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl DataKeys for InMemoryDataKeys {
    async fn generate(&self, context: &SealingContext<'_>) -> Result<(DataKey, WrappedKey), KeyError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let key = DataKey::new(entropy::bytes(&SystemEntropy));
        let wrapped = entropy::bytes::<WRAPPED_BYTES>(&SystemEntropy).to_vec();
        let entry = (key.clone(), context.encryption_context());
        self.keys.lock().unwrap().insert(wrapped.clone(), entry);
        Ok((key, WrappedKey(wrapped)))
    }

    async fn unwrap_key(&self, wrapped: &[u8], context: &SealingContext<'_>) -> Result<DataKey, KeyError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let keys = self.keys.lock().unwrap();
        let entry = keys.get(wrapped).filter(|(_, made_in)| *made_in == context.encryption_context());
        entry.map(|(key, _)| key.clone()).ok_or_else(|| KeyError::Refused("not wrapped here".into()))
    }
}
