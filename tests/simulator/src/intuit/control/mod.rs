//! Control of the Intuit side: settings, apps, companies, their books, grants and webhooks.

mod bulk;
mod companies;
mod webhooks;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post, put},
};
use serde_json::{Value, json};

use crate::{
    control::{Body, settings},
    options::AppOptions,
    world::World,
};

type Shared = State<Arc<World>>;

/// Returns the routes, to be served under `/_control/intuit`.
pub(crate) fn router() -> Router<Arc<World>> {
    Router::new()
        .route("/settings", settings(|world| &world.intuit.settings))
        .route("/apps", get(list_apps).post(put_app))
        .route("/grants", get(list_grants))
        .route("/companies", get(companies::list).post(companies::add))
        .route("/companies/{realm}", axum::routing::delete(companies::remove))
        .route("/companies/{realm}/disconnect", post(companies::disconnect))
        .route("/companies/{realm}/entities/{entity}", post(companies::create))
        .route("/companies/{realm}/entities/{entity}/bulk", post(bulk::change))
        .route("/companies/{realm}/entities/{entity}/{id}", put(companies::update).delete(companies::delete))
        .route("/companies/{realm}/entities/{entity}/{id}/{operation}", post(companies::operate))
        .route("/webhooks", post(webhooks::send))
        .route("/subscription", get(webhooks::show).put(webhooks::subscribe).delete(webhooks::unsubscribe))
        .route("/deliveries", get(webhooks::deliveries))
}

async fn list_apps(State(world): Shared) -> Json<Value> {
    Json(json!({ "apps": world.intuit.apps.lock().list() }))
}

async fn put_app(State(world): Shared, Body(app): Body<AppOptions>) -> Json<Value> {
    let mut apps = world.intuit.apps.lock();
    apps.put(app);
    Json(json!({ "apps": apps.list() }))
}

async fn list_grants(State(world): Shared) -> Json<Value> {
    Json(json!({ "grants": world.intuit.grants.lock().states() }))
}
