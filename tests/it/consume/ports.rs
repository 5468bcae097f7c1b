//! The ports that the consumer writes to: in memory, and failing when told to.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use domain::{
    event::{Event, EventBus},
    id::{DeliveryId, RecordId},
    provider::Provider,
    store::StoreError,
    sync::{Entity, Record, RecordPage, RecordPlace, RecordStore},
    webhook::{
        Begin, Delivery, DeliveryLog, DeliveryPage, DeliveryPart, DeliveryQuery, IdempotencyStore, Refused,
        RefusedOnDay, Subscription, Subscriptions,
    },
};
use jiff::Timestamp;
use tests::memory::{
    InMemoryBus, InMemoryDeliveries, InMemoryIdempotency, InMemoryRecords, InMemorySubscriptions,
};

/// How a call fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fails {
    /// Nothing happens.
    Before,
    /// It is done, and the answer is lost.
    After,
}

/// Every port that the consumer writes to.
#[derive(Default)]
pub(crate) struct Ports {
    pub(crate) records: InMemoryRecords,
    pub(crate) seen: InMemoryIdempotency,
    pub(crate) log: InMemoryDeliveries,
    pub(crate) subscriptions: InMemorySubscriptions,
    pub(crate) bus: Arc<InMemoryBus>,
    faults: Mutex<Vec<(&'static str, Fails)>>,
    calls: Mutex<Vec<&'static str>>,
    cut: Mutex<Option<(usize, Fails)>>,
}

impl Ports {
    /// Makes the next call of this name fail.
    pub(crate) fn fail_next(&self, call: &'static str, fails: Fails) {
        self.faults.lock().unwrap().push((call, fails));
    }

    /// The call after so many more never comes back: who waits for it may as well be dead.
    pub(crate) fn cut_after(&self, calls: usize, fails: Fails) {
        *self.cut.lock().unwrap() = Some((calls, fails));
    }

    /// No call is cut any more; whether one was.
    pub(crate) fn is_uncut(&self) -> bool {
        self.cut.lock().unwrap().take().is_some()
    }

    fn next_cut(&self) -> Option<Fails> {
        let mut cut = self.cut.lock().unwrap();
        let (left, fails) = cut.take()?;
        if left > 0 {
            *cut = Some((left - 1, fails));
        }
        (left == 0).then_some(fails)
    }

    /// How often this was called.
    pub(crate) fn calls(&self, call: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|made| **made == call).count()
    }

    async fn call<T>(
        &self,
        call: &'static str,
        act: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.calls.lock().unwrap().push(call);
        if let Some(fails) = self.next_cut() {
            if fails == Fails::After {
                drop(act.await);
            }
            return pending().await;
        }
        let fault = {
            let mut faults = self.faults.lock().unwrap();
            let place = faults.iter().position(|(name, _)| *name == call);
            place.map(|place| faults.remove(place).1)
        };
        let lost = StoreError::Unavailable { operation: call, source: "made to fail".into() };
        match fault {
            Some(Fails::Before) => Err(lost),
            Some(Fails::After) => {
                act.await?;
                Err(lost)
            }
            None => act.await,
        }
    }
}

#[async_trait]
impl RecordStore for Ports {
    async fn put_if_newer(
        &self,
        place: &RecordPlace,
        records: &[Record],
        write_id: &str,
    ) -> Result<u64, StoreError> {
        self.call("put", self.records.put_if_newer(place, records, write_id)).await
    }

    async fn mark_deleted(
        &self,
        place: &RecordPlace,
        record: (Entity, &RecordId),
        at: Timestamp,
        write_id: &str,
    ) -> Result<bool, StoreError> {
        self.call("mark_deleted", self.records.mark_deleted(place, record, at, write_id)).await
    }

    async fn list(
        &self,
        place: &RecordPlace,
        entity: Entity,
        limit: u32,
        from: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        self.records.list(place, entity, limit, from).await
    }

    async fn list_changed(
        &self,
        place: &RecordPlace,
        of: (Entity, Timestamp),
        limit: u32,
        from: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        self.records.list_changed(place, of, limit, from).await
    }
}

#[async_trait]
impl IdempotencyStore for Ports {
    async fn begin(&self, provider: Provider, key: &str, now: Timestamp) -> Result<Begin, StoreError> {
        self.call("begin", self.seen.begin(provider, key, now)).await
    }

    async fn complete(
        &self,
        provider: Provider,
        key: &str,
        by: &DeliveryId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.call("complete", self.seen.complete(provider, key, by, now)).await
    }

    async fn abandon(&self, provider: Provider, key: &str) -> Result<(), StoreError> {
        self.call("abandon", self.seen.abandon(provider, key)).await
    }
}

#[async_trait]
impl DeliveryLog for Ports {
    async fn note(&self, part: &DeliveryPart) -> Result<(), StoreError> {
        self.call("note", self.log.note(part)).await
    }

    async fn find(&self, id: &DeliveryId) -> Result<Option<Delivery>, StoreError> {
        self.log.find(id).await
    }

    async fn list(
        &self,
        query: DeliveryQuery,
        limit: u32,
        from: Option<&str>,
    ) -> Result<DeliveryPage, StoreError> {
        self.log.list(query, limit, from).await
    }

    async fn count_refused(&self, refused: &[Refused], at: Timestamp) -> Result<(), StoreError> {
        self.call("count_refused", self.log.count_refused(refused, at)).await
    }

    async fn list_refused(&self, provider: Provider) -> Result<Vec<RefusedOnDay>, StoreError> {
        self.log.list_refused(provider).await
    }
}

#[async_trait]
impl Subscriptions for Ports {
    async fn note_heard(&self, subscription: &Subscription, at: Timestamp) -> Result<(), StoreError> {
        self.call("note_heard", self.subscriptions.note_heard(subscription, at)).await
    }

    async fn last_heard(&self, subscription: &Subscription) -> Result<Option<Timestamp>, StoreError> {
        self.subscriptions.last_heard(subscription).await
    }

    async fn claim_report(&self, subscription: &Subscription, now: Timestamp) -> Result<bool, StoreError> {
        self.subscriptions.claim_report(subscription, now).await
    }
}

#[async_trait]
impl EventBus for Ports {
    async fn publish(&self, event: &Event) -> Result<(), StoreError> {
        self.call("publish", self.bus.publish(event)).await
    }
}
