//! Xero with its OAuth server, list of connections, data API and webhooks.

mod answers;
mod api;
mod authorize;
mod books;
mod condition;
mod connections;
mod consent_page;
pub(crate) mod control;
mod deliveries;
mod discovery;
mod documents;
mod grants;
mod idempotency;
mod jwt;
mod limits;
mod options;
mod payments;
mod reads;
mod resources;
mod revoke;
mod scopes;
mod seed;
mod settings;
mod time;
mod token;
mod webhook;
mod writes;
mod xml;

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    http::request::Parts,
    routing::{any, delete, get, post},
};
use jiff::Timestamp;

use crate::{
    apps::Apps,
    guarded::Guarded,
    oauth::{bearer, form},
    provider::{Endpoint, Presented},
    world::World,
};

pub(crate) use deliveries::deliver_due;
pub use options::{XeroOptions, XeroOrganizationOptions, XeroUserOptions};

/// The state of the Xero side.
#[derive(Debug)]
pub(crate) struct Xero {
    settings: Guarded<settings::Settings>,
    apps: Guarded<Apps>,
    users: Guarded<Vec<XeroUserOptions>>,
    organizations: Guarded<books::Organizations>,
    connections: Guarded<connections::Connections>,
    grants: Guarded<grants::Grants>,
    limits: Guarded<limits::Limits>,
    idempotency: Guarded<idempotency::Idempotency>,
    deliveries: deliveries::Deliveries,
}

impl Xero {
    pub(crate) fn new(options: &XeroOptions, now: Timestamp) -> Self {
        Self {
            settings: Guarded::new(settings::Settings::new(options)),
            apps: Guarded::new(Apps::new(options.app.clone())),
            users: Guarded::new(options.users.clone()),
            organizations: Guarded::new(seed::first_organizations(options, now)),
            connections: Guarded::default(),
            grants: Guarded::default(),
            limits: Guarded::default(),
            idempotency: Guarded::default(),
            deliveries: deliveries::Deliveries::default(),
        }
    }

    /// Goes back to the state at the start.
    pub(crate) fn reset(&self, options: &XeroOptions, now: Timestamp) {
        *self.settings.lock() = settings::Settings::new(options);
        *self.apps.lock() = Apps::new(options.app.clone());
        self.users.lock().clone_from(&options.users);
        *self.organizations.lock() = seed::first_organizations(options, now);
        *self.connections.lock() = connections::Connections::default();
        *self.grants.lock() = grants::Grants::default();
        *self.limits.lock() = limits::Limits::default();
        *self.idempotency.lock() = idempotency::Idempotency::default();
        self.deliveries.reset();
    }
}

/// Returns the provider's routes, to be served under `/xero`.
pub(crate) fn router() -> Router<Arc<World>> {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery::show))
        .route("/identity/connect/authorize", get(authorize::begin))
        .route("/identity/connect/authorize/decision", post(authorize::decide))
        .route("/connect/token", post(token::grant))
        .route("/connect/revocation", post(revoke::revoke))
        .route("/connections", get(connections::list))
        .route("/connections/{id}", delete(connections::remove))
        .route("/api.xro/2.0/{*rest}", any(api::dispatch))
}

/// Reads from a request what the call log and the faults go by.
pub(crate) fn inspect(parts: &Parts, body: &Bytes) -> Presented {
    let path = parts.uri.path().strip_prefix("/xero").unwrap_or_default();
    let endpoint = match path {
        "/identity/connect/authorize" | "/identity/connect/authorize/decision" => Endpoint::Authorize,
        "/connect/token" => Endpoint::Token,
        "/connect/revocation" => Endpoint::Revoke,
        "/connections" => Endpoint::Connections,
        _ if path.starts_with("/connections/") => Endpoint::Connections,
        _ if path.starts_with("/api.xro/") => Endpoint::Api,
        _ => Endpoint::Other,
    };
    let tenant = parts.headers.get("xero-tenant-id").and_then(|tenant| tenant.to_str().ok());
    let mut presented =
        Presented { endpoint, grant_type: None, token: None, company: tenant.map(str::to_owned) };
    if matches!(endpoint, Endpoint::Token | Endpoint::Revoke) {
        let mut fields = form(body);
        presented.grant_type = fields.remove("grant_type");
        presented.token = ["refresh_token", "code", "token"].into_iter().find_map(|name| fields.remove(name));
    } else {
        presented.token = bearer(&parts.headers).map(str::to_owned);
    }
    presented
}
