//! The bus in memory.

use std::sync::Mutex;

use async_trait::async_trait;
use domain::{
    event::{Event, EventBus},
    store::StoreError,
};

/// The bus in memory.
#[derive(Debug, Default)]
pub struct InMemoryBus(Mutex<Vec<Event>>);

impl InMemoryBus {
    /// Takes out every event, in the order of publishing.
    #[must_use]
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[async_trait]
impl EventBus for InMemoryBus {
    async fn publish(&self, event: &Event) -> Result<(), StoreError> {
        self.0.lock().unwrap().push(event.clone());
        Ok(())
    }
}
