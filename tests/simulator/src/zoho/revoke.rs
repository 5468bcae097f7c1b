//! Revocation, in the form of the Books documentation and in that of the accounts documentation.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::json;

use super::{
    answers::{Refusal, json_answer},
    locations::{At, Location},
    token::Parameters,
};
use crate::{oauth::client_credentials, world::World};

/// Serves `POST /oauth/v2/token/revoke`, for which the token alone is enough.
pub(crate) async fn by_token(
    State(world): State<Arc<World>>,
    At(location): At,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    revoke(&world, location, &Parameters::of(query.as_deref(), &body))
}

/// Serves `POST /oauth/v2/revoke/token`, for which the client proves who it is.
pub(crate) async fn by_client(
    State(world): State<Arc<World>>,
    At(location): At,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (client_id, client_secret) = client_credentials(&headers, &[]).unwrap_or_default();
    let authentic = world.zoho.apps.lock().authenticate((&client_id, &client_secret), location);
    match authentic {
        Ok(()) => revoke(&world, location, &Parameters::of(None, &body)),
        Err(refusal) => Refusal::from(refusal).into_answer(&world.zoho.settings.lock()),
    }
}

fn revoke(world: &World, location: Location, parameters: &Parameters) -> Response {
    let token = parameters.get("token").unwrap_or_default();
    if world.zoho.grants.lock().revoke(token, location, world.clock.now()) {
        return json_answer(StatusCode::OK, &json!({ "status": "success" }));
    }
    Refusal::InvalidToken.into_answer(&world.zoho.settings.lock())
}
