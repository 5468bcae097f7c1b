//! The sweep's mark in memory.

use std::sync::Mutex;

use async_trait::async_trait;
use domain::{refresh::SweepLog, store::StoreError};
use jiff::Timestamp;

/// The sweep's mark in memory.
#[derive(Debug, Default)]
pub struct InMemorySweepLog(Mutex<Option<Timestamp>>);

#[async_trait]
impl SweepLog for InMemorySweepLog {
    async fn note(&self, at: Timestamp) -> Result<(), StoreError> {
        *self.0.lock().unwrap() = Some(at);
        Ok(())
    }

    async fn last(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(*self.0.lock().unwrap())
    }
}
