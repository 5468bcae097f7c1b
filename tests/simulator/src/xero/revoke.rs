//! The revocation endpoint: a refresh token ends the token set and everything the user connected.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use super::token::{Refusal, authenticate};
use crate::{
    oauth::{field, fields},
    world::World,
};

/// Serves `POST /connect/revocation`; a token that means nothing is as good as revoked.
pub(crate) async fn revoke(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = fields(&body);
    let client_id = match authenticate(&world, &headers, &form) {
        Ok(client_id) => client_id,
        Err(refusal) => return refusal.into_answer(),
    };
    let Some(token) = field(&form, "token") else {
        return Refusal::InvalidRequest.into_answer();
    };
    let ended = world.xero.grants.lock().revoke(token, &client_id);
    if let Some(party) = ended {
        world.xero.connections.lock().remove_all_of(&party);
    }
    StatusCode::OK.into_response()
}
