//! Webhook requests: their bodies and headers, and the handshake that a new address must pass.

use reqwest::{Client, Method};
use serde::Serialize;
use serde_json::Value;

use crate::{
    chance::Chance,
    outbound::{Reply, Request, send},
    signing::{signature, with_slash_at},
};

/// Length of the text that makes every body different.
const ENTROPY: usize = 20;

/// One event; the order of its members is that of Xero's requests.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    pub(crate) resource_url: String,
    pub(crate) resource_id: String,
    pub(crate) tenant_id: String,
    pub(crate) tenant_type: String,
    #[serde(rename = "eventCategory")]
    pub(crate) category: String,
    #[serde(rename = "eventType")]
    pub(crate) kind: String,
    #[serde(rename = "eventDateUtc")]
    pub(crate) date_utc: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<EventData>,
}

/// What events about credit notes also tell.
#[derive(Clone, Debug, serde::Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct EventData {
    pub(crate) r#type: String,
    pub(crate) status: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    events: &'a [Event],
    first_event_sequence: u64,
    last_event_sequence: u64,
    entropy: &'a str,
}

/// One request of a handshake, and what was wrong with its answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shake {
    #[serde(flatten)]
    reply: Reply,
    signature: String,
    signed_correctly: bool,
    problem: Option<&'static str>,
}

/// How many requests a handshake has, and how long it waits for each answer.
pub(crate) struct Handshake<'a> {
    pub(crate) url: &'a str,
    pub(crate) key: &'a str,
    pub(crate) right: usize,
    pub(crate) wrong: usize,
    pub(crate) timeout_ms: u64,
}

/// Returns the address of an object of an organization, as events have it.
pub(crate) fn resource_url(resource: &str, id: &str) -> String {
    format!("https://api.xero.com/api.xro/2.0/{resource}/{id}")
}

/// Writes events whose first one has a sequence number.
pub(crate) fn body(events: &[Event], first: u64, entropy: &str) -> String {
    let last = first + (events.len() as u64).saturating_sub(1);
    let body = Body { events, first_event_sequence: first, last_event_sequence: last, entropy };
    serde_json::to_string(&body).unwrap_or_default()
}

pub(crate) fn entropy(chance: &Chance) -> String {
    (0..ENTROPY).map(|_| char::from(b'A' + u8::try_from(chance.below(26)).unwrap_or(0))).collect()
}

/// Makes a webhook request as Xero's servers send it.
pub(crate) fn request(url: &str, signature: Option<String>, body: String, timeout_ms: u64) -> Request<'_> {
    let mut headers =
        vec![("content-type", "application/json; charset=utf-8".to_owned()), ("accept", "*/*".to_owned())];
    headers.extend(signature.map(|signature| ("x-xero-signature", signature)));
    Request { method: Method::POST, url, headers, body, timeout_ms }
}

/// Asks an address whether it means to receive: right signatures and wrong ones take turns.
pub(crate) async fn shake_hands(client: &Client, chance: &Chance, handshake: &Handshake<'_>) -> Vec<Shake> {
    let mut shakes = Vec::new();
    for turn in 0..handshake.right.max(handshake.wrong) {
        for is_right in [true, false] {
            if turn < if is_right { handshake.right } else { handshake.wrong } {
                shakes.push(shake(client, chance, handshake, is_right).await);
            }
        }
    }
    shakes
}

/// Tells whether every answer of a handshake was right.
pub(crate) fn is_passed(shakes: &[Shake]) -> bool {
    shakes.iter().all(|shake| shake.problem.is_none())
}

async fn shake(client: &Client, chance: &Chance, handshake: &Handshake<'_>, is_right: bool) -> Shake {
    let entropy = entropy(chance);
    // The real body has these blanks, too.
    let body =
        format!(r#"{{"events":[],"firstEventSequence": 0,"lastEventSequence": 0, "entropy": "{entropy}"}}"#);
    let right = signature(handshake.key, body.as_bytes());
    // The last characters stay: some decoders ignore bits of them.
    let signature = if is_right { right } else { with_slash_at(&right, chance.below(40)) };
    let request = request(handshake.url, Some(signature.clone()), body, handshake.timeout_ms);
    let reply = send(client, request).await;
    let problem = problem_of(&reply, is_right);
    Shake { reply, signature, signed_correctly: is_right, problem }
}

/// Says what is wrong with an answer, in the words of Xero's portal.
fn problem_of(reply: &Reply, is_right: bool) -> Option<&'static str> {
    match (reply.status, is_right) {
        (None, _) if reply.error.as_deref() == Some("timeout") => Some("Response timed out"),
        (None, _) => Some("Connection failed"),
        (Some(status), true) if !(200..300).contains(&status) => Some("Response not 200"),
        (Some(status), false) if status != 401 => Some("Response to incorrectly signed payload not 401"),
        (Some(_), _) if !reply.body.is_empty() => Some("Response contains a body"),
        (Some(_), _) => None,
    }
}

/// Reads what an event about a credit note tells about it.
pub(crate) fn data_of(category: &str, body: &super::books::Members) -> Option<EventData> {
    let text = |member: &str| body.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    (category == "CREDITNOTE").then(|| EventData { r#type: text("Type"), status: text("Status") })
}
