//! Webhooks that follow changes by themselves, with Intuit's retry schedule on the virtual clock.

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::webhook::{self, Format};
use crate::{
    guarded::Guarded,
    kept::keep_newest,
    outbound::{Reply, Request, send},
    signing::signature,
    world::World,
};

/// Seconds after each failed attempt; the last one repeats.
const RETRY_AFTER: &[i64] = &[10, 20, 30, 300, 1_200, 7_200, 14_400, 21_600];
/// Attempts after which a delivery is given up, so that a forgotten subscription ends.
const MAX_ATTEMPTS: u32 = 16;
/// Deliveries that wait or are remembered; the oldest are forgotten beyond it.
const MAX_KEPT: usize = 10_000;
/// Events in one request, as Intuit says.
const MAX_EVENTS: usize = 100;
/// How long Intuit waits for an answer, unless the subscription says otherwise.
const DEFAULT_TIMEOUT_MS: u64 = 3_000;

/// A change of an object, as a webhook tells it.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) realm_id: String,
    pub(crate) entity: String,
    pub(crate) id: String,
    pub(crate) operation: String,
    pub(crate) at: Timestamp,
    pub(crate) deleted_id: Option<String>,
}

/// Where changes are pushed to.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Subscription {
    url: String,
    #[serde(default)]
    format: Format,
    content_type: Option<String>,
    timeout_ms: Option<u64>,
}

/// One webhook that was or is to be delivered.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    id: u64,
    url: String,
    body: String,
    attempts: u32,
    last_status: Option<u16>,
    last_error: Option<String>,
    state: DeliveryState,
    due_at: Timestamp,
    #[serde(skip)]
    content_type: String,
    #[serde(skip)]
    timeout_ms: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
enum DeliveryState {
    Waiting,
    Delivered,
    GivenUp,
}

/// The subscription and its deliveries.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    state: Guarded<State>,
    /// Held while delivering, so that the clock and the ticker never send one delivery twice.
    sending: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    subscription: Option<Subscription>,
    list: Vec<Delivery>,
}

impl Deliveries {
    pub(crate) fn subscribe(&self, subscription: Option<Subscription>) {
        self.state.lock().subscription = subscription;
    }

    pub(crate) fn subscription(&self) -> Option<Subscription> {
        self.state.lock().subscription.clone()
    }

    pub(crate) fn list(&self) -> Vec<Delivery> {
        self.state.lock().list.clone()
    }

    pub(crate) fn reset(&self) {
        *self.state.lock() = State::default();
    }

    /// Makes deliveries of changes, due at once; nothing without a subscription.
    pub(crate) fn notify(&self, world: &World, changes: &[Change]) {
        let mut state = self.state.lock();
        let Some(subscription) = state.subscription.clone() else {
            return;
        };
        for batch in changes.chunks(MAX_EVENTS) {
            let body = match subscription.format {
                Format::Legacy => webhook::legacy_body(batch),
                Format::CloudEvents => {
                    let batch: Vec<_> = batch.iter().map(|change| (change.clone(), None)).collect();
                    serde_json::to_string(&webhook::events(&batch, &world.chance)).unwrap_or_default()
                }
            };
            state.next_id += 1;
            let delivery = Delivery {
                id: state.next_id,
                url: subscription.url.clone(),
                body,
                attempts: 0,
                last_status: None,
                last_error: None,
                state: DeliveryState::Waiting,
                due_at: world.clock.now(),
                content_type: subscription
                    .content_type
                    .clone()
                    .unwrap_or_else(|| "application/json".to_owned()),
                timeout_ms: subscription.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS),
            };
            keep_newest(&mut state.list, delivery, MAX_KEPT);
        }
    }

    fn due(&self, now: Timestamp) -> Option<Delivery> {
        let is_due =
            |delivery: &&Delivery| delivery.state == DeliveryState::Waiting && delivery.due_at <= now;
        self.state.lock().list.iter().find(is_due).cloned()
    }

    fn note(&self, id: u64, reply: &Reply, now: Timestamp) {
        let mut state = self.state.lock();
        if let Some(delivery) = state.list.iter_mut().find(|delivery| delivery.id == id) {
            delivery.note(reply, now);
        }
    }
}

impl Delivery {
    fn note(&mut self, reply: &Reply, now: Timestamp) {
        let wait =
            RETRY_AFTER.get(self.attempts as usize).or(RETRY_AFTER.last()).copied().unwrap_or_default();
        self.attempts += 1;
        self.last_status = reply.status;
        self.last_error.clone_from(&reply.error);
        // Counted from the attempt that was due, so that one long advance of the clock passes every retry in it.
        let from = if self.attempts == 1 { now } else { self.due_at };
        self.due_at = from.checked_add(SignedDuration::from_secs(wait)).unwrap_or(Timestamp::MAX);
        self.state = match reply.status {
            Some(200) => DeliveryState::Delivered,
            _ if self.attempts >= MAX_ATTEMPTS => DeliveryState::GivenUp,
            _ => DeliveryState::Waiting,
        };
    }
}

/// Attempts every delivery that is due by the virtual clock, one after the other.
pub(crate) async fn deliver_due(world: &World) {
    let deliveries = &world.intuit.deliveries;
    let _sending = deliveries.sending.lock().await;
    while let Some(delivery) = deliveries.due(world.clock.now()) {
        let verifier_token = world.intuit.apps.lock().webhook_key();
        let signed = Some(signature(&verifier_token, delivery.body.as_bytes()));
        let Delivery { url, content_type, body, timeout_ms, .. } = &delivery;
        let request = request(url, content_type, signed, body.clone(), *timeout_ms);
        let reply = send(&world.client, request).await;
        deliveries.note(delivery.id, &reply, world.clock.now());
    }
}

/// Makes a webhook request as Intuit's servers send it.
pub(crate) fn request<'a>(
    url: &'a str,
    content_type: &str,
    signature: Option<String>,
    body: String,
    timeout_ms: u64,
) -> Request<'a> {
    let mut headers = vec![
        ("content-type", content_type.to_owned()),
        ("accept", "application/json".to_owned()),
        ("user-agent", "intuit_notification_server/0.1".to_owned()),
    ];
    headers.extend(signature.map(|signature| ("intuit-signature", signature)));
    Request { method: Method::POST, url, headers, body, timeout_ms }
}
