//! Control of webhooks: sends one now, shakes hands, or subscribes an address to changes.

use std::sync::Arc;

use axum::{Json, extract::State};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{
    deliveries::{self, DEFAULT_TIMEOUT_MS, Subscription},
    time,
    webhook::{self, Event, EventData, Handshake},
};
use crate::{
    control::{Body, ControlError, bounded, one, send_copies},
    signing::{Signing, signature, with_slash_at},
    world::World,
};

type Shared = State<Arc<World>>;

/// What to send.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WebhookRequest {
    url: String,
    #[serde(default)]
    events: Vec<ToldEvent>,
    /// Sent as it is instead of events.
    raw_body: Option<String>,
    first_event_sequence: Option<u64>,
    entropy: Option<String>,
    #[serde(default)]
    signature: Signing,
    /// Which character of a wrong signature is replaced.
    #[serde(default)]
    wrong_at: usize,
    /// Instead of the app's.
    webhook_key: Option<String>,
    /// How often each event stands in the body.
    #[serde(default = "one")]
    duplicate_events: usize,
    /// How often the request is sent.
    #[serde(default = "one")]
    copies: usize,
    /// Sends the events last to first.
    #[serde(default)]
    reversed: bool,
    timeout_ms: Option<u64>,
}

/// One event to tell.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ToldEvent {
    tenant_id: String,
    resource_id: String,
    #[serde(default = "invoice")]
    category: String,
    #[serde(default = "update")]
    r#type: String,
    time: Option<Timestamp>,
    tenant_type: Option<String>,
    resource_url: Option<String>,
    data: Option<EventData>,
}

/// How to shake hands.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HandshakeRequest {
    url: String,
    #[serde(default = "two")]
    right: usize,
    #[serde(default = "two")]
    wrong: usize,
    webhook_key: Option<String>,
    timeout_ms: Option<u64>,
}

pub(super) async fn send(
    State(world): Shared,
    Body(request): Body<WebhookRequest>,
) -> Result<Json<Value>, ControlError> {
    bounded(request.copies.max(request.duplicate_events))?;
    let body = match &request.raw_body {
        Some(body) => body.clone(),
        None => events_body(&world, &request),
    };
    let key = request.webhook_key.clone().unwrap_or_else(|| world.xero.apps.lock().webhook_key());
    let right = signature(&key, body.as_bytes());
    let signature = match request.signature {
        // Xero's own wrong signatures have a slash somewhere.
        Signing::Wrong => Some(with_slash_at(&right, request.wrong_at)),
        signing => signing.apply(right),
    };
    let timeout_ms = request.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS);
    let outgoing = webhook::request(&request.url, signature.clone(), body, timeout_ms);
    let sent = send_copies(&world, &outgoing, signature.as_deref(), request.copies).await;
    Ok(Json(json!({ "sent": sent })))
}

pub(super) async fn shake_hands(
    State(world): Shared,
    Body(request): Body<HandshakeRequest>,
) -> Result<Json<Value>, ControlError> {
    bounded(request.right.max(request.wrong))?;
    let key = request.webhook_key.clone().unwrap_or_else(|| world.xero.apps.lock().webhook_key());
    let handshake = Handshake {
        url: &request.url,
        key: &key,
        right: request.right,
        wrong: request.wrong,
        timeout_ms: request.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS),
    };
    let sent = webhook::shake_hands(&world.client, &world.chance, &handshake).await;
    Ok(Json(json!({ "passed": webhook::is_passed(&sent), "sent": sent })))
}

pub(super) async fn show(State(world): Shared) -> Json<Value> {
    Json(json!({ "subscription": world.xero.deliveries.subscription() }))
}

pub(super) async fn subscribe(State(world): Shared, Body(subscription): Body<Subscription>) -> Json<Value> {
    Json(deliveries::subscribe(&world, subscription).await)
}

pub(super) async fn unsubscribe(State(world): Shared) -> Json<Value> {
    world.xero.deliveries.unsubscribe();
    Json(json!({ "subscription": null }))
}

pub(super) async fn list(State(world): Shared) -> Json<Value> {
    Json(json!({ "deliveries": world.xero.deliveries.list() }))
}

fn events_body(world: &World, request: &WebhookRequest) -> String {
    let mut events: Vec<Event> = Vec::new();
    for told in &request.events {
        let event = told.event(world.clock.now());
        events.extend(std::iter::repeat_n(event, request.duplicate_events));
    }
    if request.reversed {
        events.reverse();
    }
    let next = || world.xero.deliveries.next_sequence(events.len());
    let first = request.first_event_sequence.unwrap_or_else(next);
    let entropy = request.entropy.clone().unwrap_or_else(|| webhook::entropy(&world.chance));
    webhook::body(&events, first, &entropy)
}

impl ToldEvent {
    fn event(&self, now: Timestamp) -> Event {
        let resource = match self.category.to_uppercase().as_str() {
            "CONTACT" => "Contacts",
            "CREDITNOTE" => "CreditNotes",
            "PREPAYMENT" => "Prepayments",
            "OVERPAYMENT" => "Overpayments",
            "PAYMENT" => "Payments",
            _ => "Invoices",
        };
        let address = || webhook::resource_url(resource, &self.resource_id);
        Event {
            resource_url: self.resource_url.clone().unwrap_or_else(address),
            resource_id: self.resource_id.clone(),
            tenant_id: self.tenant_id.clone(),
            tenant_type: self.tenant_type.clone().unwrap_or_else(|| "ORGANISATION".to_owned()),
            category: self.category.clone(),
            kind: self.r#type.clone(),
            date_utc: time::milliseconds(self.time.unwrap_or(now)),
            data: self.data.clone(),
        }
    }
}

fn two() -> usize {
    2
}

fn invoice() -> String {
    "INVOICE".to_owned()
}

fn update() -> String {
    "UPDATE".to_owned()
}
