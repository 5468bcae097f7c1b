//! Webhooks that follow changes by themselves: each is sent once, and a refused one is lost.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    resources::Resource,
    signature::{self, Encoding},
    webhooks::{Message, Webhook},
};
use crate::{
    guarded::Guarded,
    kept::keep_newest,
    outbound::{Reply, Request, send},
    world::World,
};

/// Deliveries that are remembered; the oldest are forgotten beyond it.
const MAX_KEPT: usize = 10_000;
/// How long a receiver may take; Zoho publishes no number.
pub(crate) const TIMEOUT_MS: u64 = 30_000;

/// One webhook request that was or is to be sent.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    id: u64,
    organization_id: String,
    webhook_id: String,
    url: String,
    body: String,
    signature: Option<String>,
    state: DeliveryState,
    status: Option<u16>,
    error: Option<String>,
    #[serde(skip)]
    message: Message,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
enum DeliveryState {
    Waiting,
    Delivered,
    Lost,
}

/// The deliveries of all organizations.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    state: Guarded<State>,
    /// Held while sending, so that the control API and the ticker never send one delivery twice.
    sending: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    list: Vec<Delivery>,
}

impl Deliveries {
    pub(crate) fn list(&self) -> Vec<Delivery> {
        self.state.lock().list.clone()
    }

    pub(crate) fn reset(&self) {
        *self.state.lock() = State::default();
    }

    /// Makes a delivery for every webhook that is told of a change.
    pub(crate) fn notify(
        &self,
        (organization_id, webhooks): (&str, &[Webhook]),
        (resource, event): (&Resource, &str),
        record: &Map<String, Value>,
        encoding: Encoding,
    ) {
        let mut state = self.state.lock();
        for webhook in webhooks.iter().filter(|webhook| webhook.tells(resource, event)) {
            let message = webhook.message(resource, record);
            let text = signature::string_to_sign(&message.url, message.content_type, &message.body);
            state.next_id += 1;
            let delivery = Delivery {
                id: state.next_id,
                organization_id: organization_id.to_owned(),
                webhook_id: webhook.id.clone(),
                url: message.url.clone(),
                body: message.body.clone(),
                signature: webhook.secret.as_ref().map(|secret| encoding.sign(secret, &text)),
                state: DeliveryState::Waiting,
                status: None,
                error: None,
                message,
            };
            keep_newest(&mut state.list, delivery, MAX_KEPT);
        }
    }

    fn waiting(&self) -> Option<Delivery> {
        let state = self.state.lock();
        state.list.iter().find(|delivery| delivery.state == DeliveryState::Waiting).cloned()
    }

    fn note(&self, id: u64, reply: &Reply) {
        let mut state = self.state.lock();
        if let Some(delivery) = state.list.iter_mut().find(|delivery| delivery.id == id) {
            delivery.state = if reply.is_success() { DeliveryState::Delivered } else { DeliveryState::Lost };
            delivery.status = reply.status;
            delivery.error.clone_from(&reply.error);
        }
    }
}

/// Sends everything that waits, one after the other.
pub(crate) async fn deliver(world: &World) {
    let deliveries = &world.zoho.deliveries;
    let _sending = deliveries.sending.lock().await;
    while let Some(delivery) = deliveries.waiting() {
        let request = request(&delivery.message, delivery.signature.as_deref(), TIMEOUT_MS);
        let reply = send(&world.client, request).await;
        deliveries.note(delivery.id, &reply);
    }
}

/// Makes a webhook request as Zoho's servers send it.
pub(crate) fn request<'a>(message: &'a Message, signature: Option<&str>, timeout_ms: u64) -> Request<'a> {
    let own = [("content-type", message.content_type), ("user-agent", "ZohoBooks")];
    let mut headers: Vec<(&'a str, String)> =
        own.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    headers.extend(signature.map(|signature| (signature::HEADER, signature.to_owned())));
    headers.extend(message.headers.iter().map(|(name, value)| (name.as_str(), value.clone())));
    Request {
        method: message.method.clone(),
        url: &message.url,
        headers,
        body: message.body.clone(),
        timeout_ms,
    }
}
