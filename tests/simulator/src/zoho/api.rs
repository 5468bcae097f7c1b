//! The data API: who may ask, what for, and in which shape it is answered.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{Method, StatusCode, request::Parts},
    response::Response,
};
use serde_json::{Map, Value, json};

use super::{
    access_token,
    answers::json_answer,
    grants::Consent,
    locations::{At, Location},
    scopes,
};
use crate::world::World;

/// An error answer of the data API.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ApiFault {
    status: StatusCode,
    code: u32,
    pub(crate) message: String,
}

impl ApiFault {
    pub(crate) fn new(status: StatusCode, code: u32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// The token is not good here, or it lacks the scope: Zoho does not say which.
    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 57, "You are not authorized to perform this operation")
    }

    fn into_answer(self) -> Response {
        json_answer(self.status, &json!({ "code": self.code, "message": self.message }))
    }
}

/// Serves everything under `/books/v3/`.
pub(crate) async fn dispatch(
    State(world): State<Arc<World>>,
    At(location): At,
    Path((_, rest)): Path<(String, String)>,
    parts: Parts,
) -> Response {
    let answer = admit(&world, &parts, location).and_then(|consent| {
        let segments: Vec<&str> = rest.split('/').collect();
        match (&parts.method, &segments[..]) {
            (&Method::GET, ["organizations"]) => organizations(&world, &consent),
            _ => Err(ApiFault::new(StatusCode::NOT_FOUND, 5, "Invalid URL Passed")),
        }
    });
    answer.unwrap_or_else(ApiFault::into_answer)
}

fn admit(world: &World, parts: &Parts, location: Location) -> Result<Consent, ApiFault> {
    let token = access_token(parts)
        .ok_or_else(|| ApiFault::new(StatusCode::UNAUTHORIZED, 14, "Invalid value passed for authtoken."))?;
    let grants = world.zoho.grants.lock();
    grants.consent_of(token, location, world.clock.now()).cloned().ok_or_else(ApiFault::unauthorized)
}

fn organizations(world: &World, consent: &Consent) -> Result<Response, ApiFault> {
    if !scopes::allow(&consent.scopes, "settings", "READ") {
        return Err(ApiFault::unauthorized());
    }
    let seen = {
        let users = world.zoho.users.lock();
        users.find(&consent.user_id).map(|user| user.organizations.clone()).unwrap_or_default()
    };
    let now = world.clock.now();
    let organizations = world.zoho.organizations.lock();
    let rows: Vec<Value> = seen
        .iter()
        .filter_map(|id| organizations.find(id).filter(|found| found.location == consent.location))
        .enumerate()
        .map(|(index, organization)| organization.row(index == 0, now))
        .collect();
    Ok(success(StatusCode::OK, "success", [("organizations", Value::from(rows))]))
}

/// Writes an answer in the envelope of every success.
pub(crate) fn success<const N: usize>(
    status: StatusCode,
    message: &str,
    members: [(&str, Value); N],
) -> Response {
    let mut body = Map::from_iter([("code".to_owned(), 0.into()), ("message".to_owned(), message.into())]);
    body.extend(members.map(|(name, value)| (name.to_owned(), value)));
    json_answer(status, &Value::Object(body))
}
