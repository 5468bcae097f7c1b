//! Stores, queue and bus as a door or a worker reaches them: each call takes time, may fail, and may be its last.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    event::{Event, EventBus},
    id::{DeliveryId, RecordId},
    provider::Provider,
    store::StoreError,
    sync::{Entity, Record, RecordPage, RecordPlace, RecordStore},
    webhook::{
        Begin, Delivery, DeliveryLog, DeliveryPage, DeliveryPart, DeliveryQuery, EventMessage, EventQueue,
        IdempotencyStore, Refused, RefusedOnDay, Subscription, Subscriptions,
    },
};
use futures::FutureExt as _;
use jiff::Timestamp;

use super::{
    WebhookFlaw,
    shop::{Shop, Written},
};
use crate::{
    executor::{ENVIRONMENT, ProcessId},
    faults::{Fate, Service},
};

/// A door or a worker.
pub(super) struct Caller {
    pub(super) shop: Arc<Shop>,
    pub(super) process: ProcessId,
    /// What it brought to the records, changed or not.
    touched: Mutex<BTreeSet<Written>>,
}

impl Caller {
    pub(super) fn new(shop: Arc<Shop>, process: ProcessId) -> Arc<Self> {
        Arc::new(Self { shop, process, touched: Mutex::default() })
    }

    /// Notes what it brought to a record; one that changed once more before anybody was told changed once.
    fn touched(&self, (place, entity, id): (&RecordPlace, Entity, &RecordId), is_changed: bool) {
        let written = (place.clone(), entity, id.clone());
        let mut told = self.shop.told();
        if is_changed && told.silent.insert(written.clone()) {
            told.changes.entry(place.clone()).or_default().0 += 1;
        }
        self.touched.lock().unwrap().insert(written);
    }

    /// A call of a service: on its way there, done at once, and on its way back.
    ///
    /// The SDK sends it again where its answer is lost; then `act` is done twice, and the second answer is the one heard.
    async fn call<T>(
        &self,
        (service, operation): (Service, &'static str),
        act: impl Fn() -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError>
    where
        T: Send,
    {
        let (fate, takes) = self.shop.faults.of_call(service);
        self.risk(takes);
        self.shop.time.sleep(takes / 2).await;
        self.shop.happened(fate as u64);
        let done = match fate {
            Fate::Refused | Fate::Down => None,
            Fate::Twice => {
                drop(act());
                Some(act())
            }
            Fate::Done | Fate::Lost | Fate::Slow => Some(act()),
        };
        self.shop.time.sleep(takes / 2).await;
        match done {
            Some(done) if fate != Fate::Lost => done,
            _ => {
                self.shop.told().failed_calls += 1;
                Err(StoreError::Unavailable { operation, source: "made to fail".into() })
            }
        }
    }

    /// A record as it is written: without the gate it passes for the newest.
    fn gated<'a>(&self, record: &'a Record) -> Cow<'a, Record> {
        if self.shop.has_flaw(WebhookFlaw::NoVersionGate) {
            Cow::Owned(Record { updated_at: self.shop.now(), ..record.clone() })
        } else {
            Cow::Borrowed(record)
        }
    }

    /// Perhaps kills the caller at some moment of a time that begins now.
    pub(super) fn risk(&self, during: Duration) {
        if !self.shop.faults.kills() {
            return;
        }
        let (shop, process) = (self.shop.clone(), self.process);
        let after = shop.chance.lasting(Duration::ZERO..=during);
        shop.time.clone().spawn(ENVIRONMENT, async move {
            shop.time.sleep(after).await;
            shop.kill(process);
        });
    }
}

/// What a store in memory answers, which it does at once.
fn now<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().unwrap()
}

#[async_trait]
impl RecordStore for Caller {
    async fn put_if_newer(
        &self,
        place: &RecordPlace,
        records: &[Record],
        write_id: &str,
    ) -> Result<u64, StoreError> {
        let shop = &self.shop;
        self.call((Service::Table, "put_if_newer"), || {
            let mut newer = 0;
            for record in records {
                let record = self.gated(record);
                let written = now(shop.records.put_if_newer(
                    place,
                    std::slice::from_ref(&*record),
                    &shop.write_id(write_id),
                ))?;
                if written > 0 {
                    shop.wrote(place, &record);
                }
                self.touched((place, record.entity, &record.id), written > 0);
                newer += written;
            }
            Ok(newer)
        })
        .await
    }

    async fn mark_deleted(
        &self,
        place: &RecordPlace,
        record: (Entity, &RecordId),
        at: Timestamp,
        write_id: &str,
    ) -> Result<bool, StoreError> {
        let shop = &self.shop;
        self.call((Service::Table, "mark_deleted"), || {
            let is_changed = now(shop.records.mark_deleted(place, record, at, &shop.write_id(write_id)))?;
            self.touched((place, record.0, record.1), is_changed);
            Ok(is_changed)
        })
        .await
    }

    async fn list(
        &self,
        place: &RecordPlace,
        entity: Entity,
        limit: u32,
        from: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        self.shop.records.list(place, entity, limit, from).await
    }

    async fn list_changed(
        &self,
        place: &RecordPlace,
        of: (Entity, Timestamp),
        limit: u32,
        from: Option<&str>,
    ) -> Result<RecordPage, StoreError> {
        self.shop.records.list_changed(place, of, limit, from).await
    }
}

#[async_trait]
impl IdempotencyStore for Caller {
    async fn begin(&self, provider: Provider, key: &str, now_is: Timestamp) -> Result<Begin, StoreError> {
        let shop = &self.shop;
        let begin =
            self.call((Service::Table, "begin"), || now(shop.seen.begin(provider, key, now_is))).await?;
        if shop.has_flaw(WebhookFlaw::CompletedBeforeEffect) && matches!(begin, Begin::Started { .. }) {
            now(shop.seen.complete(provider, key, &"dlv_early".parse().unwrap(), now_is))?;
        }
        Ok(match begin {
            _ if shop.has_flaw(WebhookFlaw::NothingSeen) => Begin::Started { again: false },
            Begin::Started { .. } if shop.has_flaw(WebhookFlaw::IgnoredAgain) => {
                Begin::Started { again: false }
            }
            begin => begin,
        })
    }

    async fn complete(
        &self,
        provider: Provider,
        key: &str,
        by: &DeliveryId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let shop = &self.shop;
        self.call((Service::Table, "complete"), || {
            shop.told().completed.entry(key.to_owned()).or_default().insert(by.clone());
            now(shop.seen.complete(provider, key, by, at))
        })
        .await
    }

    async fn abandon(&self, provider: Provider, key: &str) -> Result<(), StoreError> {
        let shop = &self.shop;
        self.call((Service::Table, "abandon"), || now(shop.seen.abandon(provider, key))).await
    }
}

#[async_trait]
impl DeliveryLog for Caller {
    async fn note(&self, part: &DeliveryPart) -> Result<(), StoreError> {
        let shop = &self.shop;
        self.call((Service::Table, "note"), || now(shop.log.note(part))).await
    }

    async fn find(&self, id: &DeliveryId) -> Result<Option<Delivery>, StoreError> {
        self.shop.log.find(id).await
    }

    async fn list(
        &self,
        query: DeliveryQuery,
        limit: u32,
        from: Option<&str>,
    ) -> Result<DeliveryPage, StoreError> {
        self.shop.log.list(query, limit, from).await
    }

    async fn count_refused(&self, refused: &[Refused], at: Timestamp) -> Result<(), StoreError> {
        let shop = &self.shop;
        self.call((Service::Table, "count_refused"), || now(shop.log.count_refused(refused, at))).await
    }

    async fn list_refused(&self, provider: Provider) -> Result<Vec<RefusedOnDay>, StoreError> {
        self.shop.log.list_refused(provider).await
    }
}

#[async_trait]
impl Subscriptions for Caller {
    async fn note_heard(&self, subscription: &Subscription, at: Timestamp) -> Result<(), StoreError> {
        let shop = &self.shop;
        self.call((Service::Table, "note_heard"), || now(shop.subscriptions.note_heard(subscription, at)))
            .await
    }

    async fn last_heard(&self, subscription: &Subscription) -> Result<Option<Timestamp>, StoreError> {
        self.shop.subscriptions.last_heard(subscription).await
    }

    async fn claim_report(&self, subscription: &Subscription, at: Timestamp) -> Result<bool, StoreError> {
        self.shop.subscriptions.claim_report(subscription, at).await
    }
}

#[async_trait]
impl EventBus for Caller {
    async fn publish(&self, event: &Event) -> Result<(), StoreError> {
        let shop = &self.shop;
        let (Some(key), Some(company)) = (&event.key, &event.company_id) else { return Ok(()) };
        let place = RecordPlace { tenant: key.tenant.clone(), company: company.clone() };
        self.call((Service::Bus, "publish"), || {
            let mut told = shop.told();
            told.changes.entry(place.clone()).or_default().1 += event.records.unwrap_or_default();
            let touched = self.touched.lock().unwrap();
            for written in touched.iter().filter(|(of, ..)| *of == place) {
                told.silent.remove(written);
            }
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl EventQueue for Caller {
    async fn send(&self, messages: &[EventMessage]) -> Result<(), StoreError> {
        let shop = &self.shop;
        self.call((Service::Queue, "send"), || {
            for message in messages {
                shop.queue.put(shop, message);
            }
            Ok(())
        })
        .await
    }
}
