//! Which webhook events had their effect, in memory.

use std::{collections::HashMap, sync::Mutex};

use async_trait::async_trait;
use domain::{
    id::DeliveryId,
    provider::Provider,
    refresh::policy::later,
    store::StoreError,
    webhook::{Begin, IN_PROGRESS_LIFE, IdempotencyStore},
};
use jiff::Timestamp;

/// Which webhook events had their effect, in memory.
#[derive(Debug, Default)]
pub struct InMemoryIdempotency(Mutex<HashMap<(Provider, String), Seen>>);

#[derive(Debug)]
enum Seen {
    InProgress { until: Timestamp },
    Completed { by: DeliveryId },
}

#[async_trait]
impl IdempotencyStore for InMemoryIdempotency {
    async fn begin(&self, provider: Provider, key: &str, now: Timestamp) -> Result<Begin, StoreError> {
        let mut seen = self.0.lock().unwrap();
        let event = (provider, key.to_owned());
        match seen.get(&event) {
            Some(Seen::Completed { by }) => Ok(Begin::Completed { by: by.clone() }),
            Some(Seen::InProgress { until }) if *until > now => Ok(Begin::InProgress),
            _ => {
                let before = seen.insert(event, Seen::InProgress { until: later(now, IN_PROGRESS_LIFE) });
                Ok(Begin::Started { again: before.is_some() })
            }
        }
    }

    async fn complete(
        &self,
        provider: Provider,
        key: &str,
        by: &DeliveryId,
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        self.0.lock().unwrap().insert((provider, key.to_owned()), Seen::Completed { by: by.clone() });
        Ok(())
    }

    async fn abandon(&self, provider: Provider, key: &str) -> Result<(), StoreError> {
        let mut seen = self.0.lock().unwrap();
        let event = (provider, key.to_owned());
        if matches!(seen.get(&event), Some(Seen::InProgress { .. })) {
            seen.remove(&event);
        }
        Ok(())
    }
}
