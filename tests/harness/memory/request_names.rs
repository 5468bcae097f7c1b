//! Names of requests in memory.

use std::{collections::HashMap, sync::Mutex};

use async_trait::async_trait;
use domain::{
    idempotency::{NamedRequest, RequestNames},
    store::StoreError,
};
use jiff::Timestamp;

/// Names of requests in memory.
#[derive(Debug, Default)]
pub struct InMemoryRequestNames(Mutex<HashMap<String, (String, Timestamp)>>);

#[async_trait]
impl RequestNames for InMemoryRequestNames {
    async fn take(
        &self,
        named: &NamedRequest,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<bool, StoreError> {
        let mut taken = self.0.lock().unwrap();
        let stands = taken.get(&named.name).filter(|(_, until)| *until > now);
        if stands.is_some_and(|(request, _)| *request != named.request) {
            return Ok(false);
        }
        taken.insert(named.name.clone(), (named.request.clone(), until));
        Ok(true)
    }
}
