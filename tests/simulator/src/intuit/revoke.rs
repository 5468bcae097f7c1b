//! The revocation endpoint: either token of a grant ends the whole grant.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::answers::{json_answer, with_tid};
use crate::world::World;

#[derive(Deserialize)]
struct Revocation {
    token: String,
}

/// Serves `POST /v2/oauth2/tokens/revoke`.
pub(crate) async fn revoke(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let client_id = world.intuit.apps.lock().authenticate(&headers, &[]);
    let answer = match client_id {
        None => json_answer(StatusCode::UNAUTHORIZED, &json!({ "error": "invalid_client" })),
        Some(client_id) => match token_of(&body) {
            Some(token) if world.intuit.grants.lock().revoke(&token, &client_id) => {
                StatusCode::OK.into_response()
            }
            _ => json_answer(StatusCode::BAD_REQUEST, &json!({ "error": "invalid_request" })),
        },
    };
    with_tid(&world, answer)
}

/// Returns the token that a revocation names.
pub(crate) fn token_of(body: &Bytes) -> Option<String> {
    serde_json::from_slice::<Revocation>(body).ok().map(|revocation| revocation.token)
}
