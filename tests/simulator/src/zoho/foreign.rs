//! A host that belongs to no data center and takes whatever it is sent, as an attacker's would.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde_json::json;

use super::{answers::json_answer, grants::token, locations::BaseUrl};
use crate::{issued::SecretKind, provider::Provider, world::World};

/// Answers any request in the shape of a token answer.
pub(crate) async fn answer(State(world): State<Arc<World>>, base: BaseUrl) -> Response {
    let (access_token, refresh_token) = (token(&world.chance), token(&world.chance));
    let now = world.clock.now();
    world.issued.add(Provider::Zoho, SecretKind::AccessToken, &access_token, now);
    world.issued.add(Provider::Zoho, SecretKind::RefreshToken, &refresh_token, now);
    let body = json!({
        "access_token": access_token,
        "refresh_token": refresh_token,
        "api_domain": base.foreign(),
        "token_type": "Bearer",
        "expires_in": 3_600,
    });
    json_answer(StatusCode::OK, &body)
}
