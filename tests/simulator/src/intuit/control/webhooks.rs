//! Control of webhooks: sends one now, in any shape, or subscribes an address to changes.

use std::sync::Arc;

use axum::{Json, extract::State};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{
    deliveries::{self, Change, Subscription},
    webhook::{self, Format},
};
use crate::{
    control::{Body, ControlError, bounded, one, send_copies},
    signing::{Signing, signature},
    world::World,
};

type Shared = State<Arc<World>>;

/// Patience with the receiver: more than Intuit's 3 s, since a local stack starts functions slowly.
const DEFAULT_TIMEOUT_MS: u64 = 30_000;

/// What to send.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WebhookRequest {
    url: String,
    #[serde(default)]
    events: Vec<ToldEvent>,
    /// Sent as it is instead of events.
    raw_body: Option<String>,
    #[serde(default)]
    format: Format,
    content_type: Option<String>,
    #[serde(default)]
    signature: Signing,
    /// Instead of the app's.
    verifier_token: Option<String>,
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
    realm_id: String,
    entity: String,
    id: String,
    operation: String,
    time: Option<Timestamp>,
    event_id: Option<String>,
    deleted_id: Option<String>,
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
    let verifier_token =
        request.verifier_token.clone().unwrap_or_else(|| world.intuit.apps.lock().webhook_key());
    let signature = request.signature.apply(signature(&verifier_token, body.as_bytes()));
    let content_type = request.content_type.as_deref().unwrap_or("application/json");
    let timeout_ms = request.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS);
    let outgoing = deliveries::request(&request.url, content_type, signature.clone(), body, timeout_ms);
    let sent = send_copies(&world, &outgoing, signature.as_deref(), request.copies).await;
    Ok(Json(json!({ "sent": sent })))
}

pub(super) async fn show(State(world): Shared) -> Json<Value> {
    Json(json!({ "subscription": world.intuit.deliveries.subscription() }))
}

pub(super) async fn subscribe(State(world): Shared, Body(subscription): Body<Subscription>) -> Json<Value> {
    world.intuit.deliveries.subscribe(Some(subscription.clone()));
    Json(json!({ "subscription": subscription }))
}

pub(super) async fn unsubscribe(State(world): Shared) -> Json<Value> {
    world.intuit.deliveries.subscribe(None);
    Json(json!({ "subscription": null }))
}

pub(super) async fn deliveries(State(world): Shared) -> Json<Value> {
    Json(json!({ "deliveries": world.intuit.deliveries.list() }))
}

fn events_body(world: &World, request: &WebhookRequest) -> String {
    let mut changes: Vec<(Change, Option<String>)> = Vec::new();
    for (index, event) in (0..).zip(&request.events) {
        // One millisecond apart, so that reordering is visible.
        let now = world.clock.now().checked_add(SignedDuration::from_millis(index)).unwrap_or(Timestamp::MAX);
        // A duplicate has the id of the original.
        let event_id = event.event_id.clone().unwrap_or_else(|| world.chance.uuid().to_string());
        let change = Change {
            realm_id: event.realm_id.clone(),
            entity: event.entity.clone(),
            id: event.id.clone(),
            operation: event.operation.clone(),
            at: event.time.unwrap_or(now),
            deleted_id: event.deleted_id.clone(),
        };
        changes.extend(std::iter::repeat_n((change, Some(event_id)), request.duplicate_events));
    }
    if request.reversed {
        changes.reverse();
    }
    match request.format {
        Format::CloudEvents => {
            serde_json::to_string(&webhook::events(&changes, &world.chance)).unwrap_or_default()
        }
        Format::Legacy => {
            webhook::legacy_body(&changes.into_iter().map(|(change, _)| change).collect::<Vec<_>>())
        }
    }
}
