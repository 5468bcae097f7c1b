//! The bus in `EventBridge`.

use async_trait::async_trait;
use aws_sdk_eventbridge::{Client, primitives::DateTime, types::PutEventsRequestEntry};
use domain::{
    event::{Event, EventBus},
    store::StoreError,
};

use crate::failure::unavailable;

/// The source by which subscribers know our events.
const SOURCE: &str = "ledgerbridge";

/// The bus on which Ledgerbridge tells others what happened.
#[derive(Clone, Debug)]
pub struct EventBridgeBus {
    client: Client,
    bus: String,
}

impl EventBridgeBus {
    /// Uses the bus called `bus`.
    #[must_use]
    pub fn new(client: Client, bus: String) -> Self {
        Self { client, bus }
    }
}

#[async_trait]
impl EventBus for EventBridgeBus {
    async fn publish(&self, event: &Event) -> Result<(), StoreError> {
        let detail = serde_json::to_string(event).map_err(unavailable("publish"))?;
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.bus)
            .source(SOURCE)
            .detail_type(event.kind.as_str())
            .detail(detail)
            .time(DateTime::from_millis(event.occurred_at.as_millisecond()))
            .build();
        let output = self.client.put_events().entries(entry).send().await.map_err(unavailable("publish"))?;
        if output.failed_entry_count() == 0 {
            return Ok(());
        }
        let code = output.entries().first().and_then(|entry| entry.error_code()).unwrap_or("no reason");
        Err(unavailable("publish")(format!("the bus did not take the event: {code}")))
    }
}
