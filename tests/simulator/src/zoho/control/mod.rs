//! Control of the Zoho side: settings, apps, users, organizations with their books, grants and webhooks.

mod bulk;
mod organizations;
mod records;
mod webhooks;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{delete, get, post, put},
};
use serde_json::{Value, json};

use super::options::{ZohoAppOptions, ZohoUserOptions};
use crate::{
    control::{Body, ControlError, settings},
    world::World,
};

type Shared = State<Arc<World>>;

/// Returns the routes, to be served under `/_control/zoho`.
pub(crate) fn router() -> Router<Arc<World>> {
    Router::new()
        .route("/settings", settings(|world| &world.zoho.settings))
        .route("/apps", get(list_apps).post(put_app))
        .route("/grants", get(list_grants))
        .route("/users", get(list_users).post(put_user))
        .route("/users/{user}/disconnect", post(disconnect))
        .route("/organizations", get(organizations::list).post(organizations::add))
        .route("/organizations/{organization}", delete(organizations::remove))
        .route("/organizations/{organization}/webhooks", get(webhooks::list).post(webhooks::add))
        .route("/organizations/{organization}/webhooks/{webhook}", delete(webhooks::remove))
        .route("/organizations/{organization}/records/{entity}", post(records::create))
        .route("/organizations/{organization}/records/{entity}/bulk", post(bulk::change))
        .route(
            "/organizations/{organization}/records/{entity}/{id}",
            put(records::update).delete(records::delete),
        )
        .route("/organizations/{organization}/records/{entity}/{id}/status/{status}", post(records::mark))
        .route("/webhooks", post(webhooks::send))
        .route("/deliveries", get(webhooks::deliveries))
}

async fn list_apps(State(world): Shared) -> Json<Value> {
    Json(json!({ "apps": world.zoho.apps.lock().list() }))
}

async fn put_app(State(world): Shared, Body(app): Body<ZohoAppOptions>) -> Json<Value> {
    let mut apps = world.zoho.apps.lock();
    apps.put(app);
    Json(json!({ "apps": apps.list() }))
}

async fn list_grants(State(world): Shared) -> Json<Value> {
    Json(json!({ "grants": world.zoho.grants.lock().states(world.clock.now()) }))
}

async fn list_users(State(world): Shared) -> Json<Value> {
    Json(json!({ "users": world.zoho.users.lock().list() }))
}

async fn put_user(State(world): Shared, Body(user): Body<ZohoUserOptions>) -> Json<Value> {
    let mut users = world.zoho.users.lock();
    users.put(user);
    Json(json!({ "users": users.list() }))
}

async fn disconnect(State(world): Shared, Path(user): Path<String>) -> Result<Json<Value>, ControlError> {
    if world.zoho.users.lock().find(&user).is_none() {
        return Err(ControlError::NotFound("user"));
    }
    Ok(Json(json!({ "grantsEnded": world.zoho.grants.lock().disconnect(&user) })))
}
