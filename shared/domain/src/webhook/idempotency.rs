//! The guard by which an event has its effect once.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{id::DeliveryId, provider::Provider, store::StoreError};

/// How long a worker may be at an event before another may try; above the time of one fetch and its retries.
pub const IN_PROGRESS_LIFE: Duration = Duration::from_mins(2);
/// How long an event is remembered; Xero replays events of up to 31 days.
pub const COMPLETED_LIFE: Duration = Duration::from_hours(35 * 24);
/// How long a delivery stays in the log: as long as dead letters do.
pub const DELIVERY_LIFE: Duration = Duration::from_hours(14 * 24);

/// What came of beginning with an event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Begin {
    /// It is ours to do.
    Started {
        /// Whether another worker was at it and never came to an end; it may have done half of it.
        again: bool,
    },
    /// Another worker is at it.
    InProgress,
    /// It was done before.
    Completed {
        /// The delivery through which it was done.
        by: DeliveryId,
    },
}

/// Where events that were seen are kept.
#[async_trait]
pub trait IdempotencyStore: Send + Sync {
    /// Begins with the event of this key, unless it was completed or another worker is at it at `now`.
    async fn begin(&self, provider: Provider, key: &str, now: Timestamp) -> Result<Begin, StoreError>;

    /// Notes that the event had its effect through this delivery.
    async fn complete(
        &self,
        provider: Provider,
        key: &str,
        by: &DeliveryId,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Gives an event back, so that it may be tried again at once.
    async fn abandon(&self, provider: Provider, key: &str) -> Result<(), StoreError>;
}
