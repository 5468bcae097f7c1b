//! The revocation endpoint: a refresh token ends the token set and everything the user connected.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use super::token::{Refusal, authenticate};
use crate::world::World;

/// Serves `POST /connect/revocation`; a token that means nothing is as good as revoked.
pub(crate) async fn revoke(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let client_id = match authenticate(&world, &headers, &form) {
        Ok(client_id) => client_id,
        Err(refusal) => return refusal.into_answer(),
    };
    let Some((_, token)) = form.iter().find(|(key, value)| key == "token" && !value.is_empty()) else {
        return Refusal::InvalidRequest.into_answer();
    };
    let ended = world.xero.grants.lock().revoke(token, &client_id);
    if let Some(party) = ended {
        world.xero.connections.lock().remove_all_of(&party);
    }
    StatusCode::OK.into_response()
}
