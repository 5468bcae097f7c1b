//! Queues in memory.

use std::sync::Mutex;

use async_trait::async_trait;
use domain::{
    erasure::ErasureMark,
    refresh::{Delayed, MAX_BATCH, RecoveryQueue, RefreshQueue, SpilledTokens},
    store::StoreError,
    sync::{CatchUpMark, Lane, LaneMessage, SyncJob, SyncQueue},
    webhook::{EventMessage, EventQueue},
};

macro_rules! queues {
    ($($(#[$doc:meta])* $name:ident of $message:ty;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $name {
            messages: Mutex<Vec<$message>>,
            down: Mutex<bool>,
        }

        impl $name {
            /// Takes out every message, in the order of sending.
            #[must_use]
            pub fn take(&self) -> Vec<$message> {
                std::mem::take(&mut self.messages.lock().unwrap())
            }

            /// Makes every call fail, or no longer.
            pub fn set_down(&self, down: bool) {
                *self.down.lock().unwrap() = down;
            }

            fn put(&self, messages: impl IntoIterator<Item = $message>) -> Result<(), StoreError> {
                if *self.down.lock().unwrap() {
                    return Err(StoreError::Unavailable { operation: "send", source: "made to fail".into() });
                }
                self.messages.lock().unwrap().extend(messages);
                Ok(())
            }
        }
    )+};
}

queues! {
    /// The queue of webhook events, in memory.
    InMemoryEventQueue of EventMessage;
    /// The queue of connections to refresh, in memory.
    InMemoryRefreshQueue of Delayed;
    /// The recovery queue, in memory.
    InMemoryRecoveryQueue of SpilledTokens;
    /// The lanes of the sync queue, in memory.
    InMemorySyncQueue of (Lane, LaneMessage);
}

#[async_trait]
impl EventQueue for InMemoryEventQueue {
    async fn send(&self, messages: &[EventMessage]) -> Result<(), StoreError> {
        self.put(messages.iter().cloned())
    }
}

#[async_trait]
impl RefreshQueue for InMemoryRefreshQueue {
    async fn send(&self, messages: &[Delayed]) -> Result<(), StoreError> {
        if messages.len() > MAX_BATCH {
            return Err(StoreError::Unavailable { operation: "send", source: "more than a batch".into() });
        }
        self.put(messages.iter().cloned())
    }
}

#[async_trait]
impl RecoveryQueue for InMemoryRecoveryQueue {
    async fn spill(&self, spilled: &SpilledTokens) -> Result<(), StoreError> {
        self.put([spilled.clone()])
    }
}

#[async_trait]
impl SyncQueue for InMemorySyncQueue {
    async fn send(&self, lane: Lane, jobs: &[SyncJob]) -> Result<(), StoreError> {
        self.put(jobs.iter().map(|job| (lane, LaneMessage::Job(job.clone()))))
    }

    async fn send_mark(&self, lane: Lane, mark: &CatchUpMark) -> Result<(), StoreError> {
        self.put([(lane, LaneMessage::CatchUp(mark.clone()))])
    }

    async fn send_erasure(&self, lane: Lane, mark: &ErasureMark) -> Result<(), StoreError> {
        self.put([(lane, LaneMessage::Erase(mark.clone()))])
    }
}
