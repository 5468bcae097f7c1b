//! Control of the Xero side: settings, apps, users, organizations, their books, connections, grants and webhooks.

mod bulk;
mod entities;
mod organizations;
mod webhooks;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, patch, post, put},
};
use serde_json::{Value, json};

use super::options::XeroUserOptions;
use crate::{
    control::{Body, ControlError, settings},
    kept::put as put_in,
    options::AppOptions,
    world::World,
};

type Shared = State<Arc<World>>;

/// Returns the routes, to be served under `/_control/xero`.
pub(crate) fn router() -> Router<Arc<World>> {
    Router::new()
        .route("/settings", settings(|world| &world.xero.settings))
        .route("/apps", get(list_apps).post(put_app))
        .route("/users", get(list_users).post(put_user))
        .route("/grants", get(list_grants))
        .route("/connections", get(list_connections))
        .route("/organizations", get(organizations::list).post(organizations::add))
        .route("/organizations/{tenant}", patch(organizations::change).delete(organizations::remove))
        .route("/organizations/{tenant}/disconnect", post(organizations::disconnect))
        .route("/organizations/{tenant}/entities/{entity}", post(entities::create))
        .route("/organizations/{tenant}/entities/{entity}/bulk", post(bulk::change))
        .route("/organizations/{tenant}/entities/{entity}/{id}", put(entities::update))
        .route("/webhooks", post(webhooks::send))
        .route("/webhooks/handshake", post(webhooks::shake_hands))
        .route("/subscription", get(webhooks::show).put(webhooks::subscribe).delete(webhooks::unsubscribe))
        .route("/deliveries", get(webhooks::list))
}

async fn list_apps(State(world): Shared) -> Json<Value> {
    Json(json!({ "apps": world.xero.apps.lock().list() }))
}

async fn put_app(State(world): Shared, Body(app): Body<AppOptions>) -> Result<Json<Value>, ControlError> {
    if app.redirect_uris.iter().any(|address| address.starts_with("http://127.")) {
        return Err(ControlError::Invalid("Xero takes http://localhost but not http://127.0.0.1".to_owned()));
    }
    let mut apps = world.xero.apps.lock();
    apps.put(app);
    Ok(Json(json!({ "apps": apps.list() })))
}

async fn list_users(State(world): Shared) -> Json<Value> {
    Json(json!({ "users": *world.xero.users.lock() }))
}

/// Adds a user, or replaces the one with the same id.
async fn put_user(
    State(world): Shared,
    Body(mut user): Body<XeroUserOptions>,
) -> (StatusCode, Json<XeroUserOptions>) {
    if user.user_id.is_empty() {
        user.user_id = world.chance.uuid().to_string();
    }
    put_in(&mut world.xero.users.lock(), user.clone(), |user| &user.user_id);
    (StatusCode::CREATED, Json(user))
}

async fn list_grants(State(world): Shared) -> Json<Value> {
    Json(json!({ "grants": world.xero.grants.lock().states() }))
}

async fn list_connections(State(world): Shared) -> Json<Value> {
    let connections = world.xero.connections.lock();
    let shown = connections.all().iter().map(|known| {
        json!({
            "id": known.id, "authEventId": known.auth_event_id, "tenantId": known.tenant_id,
            "clientId": known.party.client_id, "userId": known.party.user_id, "createdAt": known.created_at,
        })
    });
    Json(json!({ "connections": shown.collect::<Vec<_>>() }))
}
