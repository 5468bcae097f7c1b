//! Webhooks that are sent now, as often as a test asks for.

use serde::Serialize;
use serde_json::{Value, json};

use super::ControlError;
use crate::{
    outbound::{Reply, Request, send},
    world::World,
};

/// Requests that one control call may send.
const MAX_COPIES: usize = 100;

/// One request that was sent, and its answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent<'a> {
    #[serde(flatten)]
    reply: Reply,
    signature: Option<&'a str>,
    request_body: &'a str,
}

/// Refuses to send too much.
pub(crate) fn bounded(copies: usize) -> Result<(), ControlError> {
    if copies > MAX_COPIES {
        return Err(ControlError::Invalid(format!("at most {MAX_COPIES} copies can be sent")));
    }
    Ok(())
}

/// Sends a request some times, and tells of each what was sent and answered.
pub(crate) async fn send_copies(
    world: &World,
    request: &Request<'_>,
    signature: Option<&str>,
    copies: usize,
) -> Vec<Value> {
    let mut sent = Vec::new();
    for _ in 0..copies {
        let reply = send(&world.client, request.clone()).await;
        sent.push(json!(Sent { reply, signature, request_body: &request.body }));
    }
    sent
}

/// Once, unless a request says otherwise.
pub(crate) fn one() -> usize {
    1
}
