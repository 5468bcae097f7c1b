//! The list of accounts servers, as every one of them gives it.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde_json::{Map, Value, json};

use super::{
    answers::json_answer,
    locations::{At, BaseUrl},
};
use crate::world::World;

/// Serves `GET /oauth/serverinfo`.
pub(crate) async fn show(State(world): State<Arc<World>>, At(_): At, base: BaseUrl) -> Response {
    let locations: Map<String, Value> = {
        let settings = world.zoho.settings.lock();
        let address = |location: &_| base.accounts_server(*location).into();
        settings.locations.iter().map(|location| (location.name().to_owned(), address(location))).collect()
    };
    json_answer(StatusCode::OK, &json!({ "result": "success", "locations": locations }))
}
