//! Webhooks that follow changes by themselves: retried for a day, then disabled, and replayed when enabled again.

use std::sync::atomic::{AtomicBool, Ordering};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    books::{Books, Written},
    resources::Resource,
    time,
    webhook::{self, Event, Handshake},
};
use crate::{
    guarded::Guarded,
    kept::keep_newest,
    outbound::{Reply, send},
    signing::signature,
    world::World,
};

/// Between the attempts after the one that is repeated at once.
const RETRY_EVERY: SignedDuration = SignedDuration::from_mins(15);
/// After which a subscription whose webhooks fail is disabled.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);
/// How long events wait for a subscription that is being retried or is disabled.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 31);
/// Deliveries that wait or are remembered; the oldest are forgotten beyond it.
const MAX_KEPT: usize = 10_000;
/// How long Xero waits for an answer, unless the subscription says otherwise.
pub(crate) const DEFAULT_TIMEOUT_MS: u64 = 5_000;
/// Requests of each sort in the handshake of a subscription.
const SHAKES: usize = 2;

/// A change of an object, as a webhook tells it.
#[derive(Clone, Debug)]
pub(crate) struct Change(Event);

/// Where changes are pushed to.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Subscription {
    url: String,
    /// Every category when absent.
    categories: Option<Vec<String>>,
    timeout_ms: Option<u64>,
    #[serde(skip_deserializing, default)]
    state: SubscriptionState,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
enum SubscriptionState {
    Ok,
    Retrying,
    /// The handshake failed, or retries went on for a day.
    #[default]
    Disabled,
}

/// One webhook that was or is to be delivered.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    id: u64,
    body: String,
    attempts: u32,
    last_status: Option<u16>,
    last_error: Option<String>,
    state: DeliveryState,
    created_at: Timestamp,
    due_at: Timestamp,
    #[serde(skip)]
    failing_since: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
enum DeliveryState {
    Waiting,
    Delivered,
    /// It waited longer than events are kept.
    Expired,
}

/// The subscription and its deliveries.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    state: Guarded<State>,
    /// Held while delivering, so that the clock and the ticker never send one delivery twice.
    sending: tokio::sync::Mutex<()>,
    /// Lets the ticker see without waiting that there is nothing to do.
    busy: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    next_sequence: u64,
    subscription: Option<Subscription>,
    list: Vec<Delivery>,
}

impl Change {
    /// Tells what was written, if webhooks tell of its kind.
    pub(crate) fn of(written: &Written, tenant_id: &str, books: &Books) -> Option<Self> {
        let Resource { name, category, .. } = written.resource;
        let category = category?;
        let record = books.find(written.resource, &written.id)?;
        Some(Self(Event {
            resource_url: webhook::resource_url(name, &record.id),
            resource_id: record.id.clone(),
            tenant_id: tenant_id.to_owned(),
            tenant_type: "ORGANISATION".to_owned(),
            category: category.to_owned(),
            kind: if written.creates() { "CREATE" } else { "UPDATE" }.to_owned(),
            date_utc: time::milliseconds(record.updated_at),
            data: webhook::data_of(category, &record.body),
        }))
    }
}

impl Deliveries {
    pub(crate) fn subscription(&self) -> Option<Subscription> {
        self.state.lock().subscription.clone()
    }

    pub(crate) fn unsubscribe(&self) {
        self.state.lock().subscription = None;
    }

    pub(crate) fn list(&self) -> Vec<Delivery> {
        self.state.lock().list.clone()
    }

    pub(crate) fn reset(&self) {
        *self.state.lock() = State::default();
    }

    /// Returns the sequence number of the next event, and moves on by a number of events.
    pub(crate) fn next_sequence(&self, events: usize) -> u64 {
        self.state.lock().next_sequence(events)
    }

    /// Makes a delivery of changes; nothing without a subscription, but also for one that is disabled.
    pub(crate) fn notify(&self, world: &World, changes: &[Change]) {
        let mut state = self.state.lock();
        let Some(subscription) = state.subscription.clone() else {
            return;
        };
        let wanted = |event: &Event| {
            let categories = subscription.categories.as_ref();
            categories.is_none_or(|wanted| wanted.contains(&event.category))
        };
        let events: Vec<Event> =
            changes.iter().map(|change| change.0.clone()).filter(|event| wanted(event)).collect();
        if events.is_empty() {
            return;
        }
        let first = state.next_sequence(events.len());
        let body = webhook::body(&events, first, &webhook::entropy(&world.chance));
        state.next_id += 1;
        let now = world.clock.now();
        let delivery = Delivery {
            id: state.next_id,
            body,
            attempts: 0,
            last_status: None,
            last_error: None,
            state: DeliveryState::Waiting,
            created_at: now,
            due_at: now,
            failing_since: None,
        };
        keep_newest(&mut state.list, delivery, MAX_KEPT);
        self.busy.store(true, Ordering::SeqCst);
    }

    /// Returns the oldest delivery that waits, if it is due: later ones never pass it.
    fn due(&self, now: Timestamp) -> Option<(Subscription, Delivery)> {
        let mut state = self.state.lock();
        let subscription = state.subscription.clone()?;
        let waits = |delivery: &&mut Delivery| delivery.state == DeliveryState::Waiting;
        for delivery in state.list.iter_mut().filter(waits) {
            if now.duration_since(delivery.created_at) > KEPT && delivery.failing_since.is_none() {
                delivery.state = DeliveryState::Expired;
            }
        }
        let next = state.list.iter().find(|delivery| delivery.state == DeliveryState::Waiting);
        let due = next.filter(|next| next.due_at <= now && subscription.state != SubscriptionState::Disabled);
        self.busy.store(next.is_some(), Ordering::SeqCst);
        due.map(|delivery| (subscription, delivery.clone()))
    }

    fn note(&self, id: u64, reply: &Reply, now: Timestamp) {
        let mut state = self.state.lock();
        let Some(delivery) = state.list.iter_mut().find(|delivery| delivery.id == id) else {
            return;
        };
        let is_healthy = delivery.note(reply, now);
        if let Some(subscription) = &mut state.subscription {
            subscription.state = is_healthy;
        }
    }
}

impl State {
    fn next_sequence(&mut self, events: usize) -> u64 {
        let first = self.next_sequence + 1;
        self.next_sequence += events as u64;
        first
    }
}

impl Delivery {
    /// Notes an answer, and returns in which state it leaves the subscription.
    fn note(&mut self, reply: &Reply, now: Timestamp) -> SubscriptionState {
        self.attempts += 1;
        self.last_status = reply.status;
        self.last_error.clone_from(&reply.error);
        if reply.is_success() {
            self.state = DeliveryState::Delivered;
            self.failing_since = None;
            return SubscriptionState::Ok;
        }
        let Some(since) = self.failing_since else {
            // The first retry comes at once.
            self.failing_since = Some(now);
            self.due_at = now;
            return SubscriptionState::Retrying;
        };
        // Counted from the attempt that was due, so that one long advance of the clock passes every retry in it.
        self.due_at = self.due_at.checked_add(RETRY_EVERY).unwrap_or(Timestamp::MAX);
        if self.due_at.duration_since(since) > PATIENCE {
            self.failing_since = None;
            return SubscriptionState::Disabled;
        }
        SubscriptionState::Retrying
    }
}

/// Subscribes an address, once it has passed the handshake; what waited for it is replayed in order.
pub(crate) async fn subscribe(world: &World, mut subscription: Subscription) -> Value {
    let key = world.xero.apps.lock().webhook_key();
    let handshake = Handshake {
        url: &subscription.url,
        key: &key,
        right: SHAKES,
        wrong: SHAKES,
        timeout_ms: subscription.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS),
    };
    let shakes = webhook::shake_hands(&world.client, &world.chance, &handshake).await;
    let passed = webhook::is_passed(&shakes);
    subscription.state = if passed { SubscriptionState::Ok } else { SubscriptionState::Disabled };
    {
        let now = world.clock.now();
        let mut state = world.xero.deliveries.state.lock();
        state.subscription = Some(subscription.clone());
        let waiting = |delivery: &&mut Delivery| passed && delivery.state == DeliveryState::Waiting;
        for delivery in state.list.iter_mut().filter(waiting) {
            delivery.due_at = now;
            delivery.failing_since = None;
        }
    }
    deliver_due(world).await;
    json!({ "subscription": subscription, "passed": passed, "handshake": shakes })
}

/// Attempts every delivery that is due by the virtual clock, in the order of the changes.
pub(crate) async fn deliver_due(world: &World) {
    let deliveries = &world.xero.deliveries;
    if !deliveries.busy.load(Ordering::SeqCst) {
        return;
    }
    let _sending = deliveries.sending.lock().await;
    while let Some((subscription, delivery)) = deliveries.due(world.clock.now()) {
        let key = world.xero.apps.lock().webhook_key();
        let signed = signature(&key, delivery.body.as_bytes());
        let timeout_ms = subscription.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS);
        let request = webhook::request(&subscription.url, Some(signed), delivery.body.clone(), timeout_ms);
        let reply = send(&world.client, request).await;
        deliveries.note(delivery.id, &reply, world.clock.now());
    }
}
