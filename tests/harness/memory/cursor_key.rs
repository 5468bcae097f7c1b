//! The key of cursors in memory.

use std::sync::Mutex;

use async_trait::async_trait;
use domain::{
    cursor::{CursorKey, CursorKeyStore},
    store::StoreError,
};

/// The key of cursors in memory.
#[derive(Debug, Default)]
pub struct InMemoryCursorKey(Mutex<Option<CursorKey>>);

#[async_trait]
impl CursorKeyStore for InMemoryCursorKey {
    async fn find_or_insert(&self, fresh: &CursorKey) -> Result<CursorKey, StoreError> {
        Ok(self.0.lock().unwrap().get_or_insert_with(|| fresh.clone()).clone())
    }
}
