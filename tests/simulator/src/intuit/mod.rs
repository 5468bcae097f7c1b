//! Intuit: QuickBooks Online with its OAuth server, data API and webhooks.

mod answers;
mod api;
mod authorize;
mod batch;
mod books;
mod cdc;
mod consent_page;
pub(crate) mod control;
mod deliveries;
mod discovery;
mod entities;
mod grants;
mod limits;
mod query;
mod revoke;
mod seed;
mod select;
mod settings;
mod time;
mod token;
mod webhook;
mod writes;

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    http::request::Parts,
    routing::{any, get, post},
};
use jiff::Timestamp;

use crate::{
    apps::Apps,
    chance::Chance,
    guarded::Guarded,
    oauth::bearer,
    options::IntuitOptions,
    provider::{Endpoint, Presented},
    world::World,
};

pub(crate) use deliveries::deliver_due;

/// Where the API begins below the prefix.
const COMPANY_PATH: &str = "/intuit/v3/company/";

/// The state of the Intuit side.
#[derive(Debug)]
pub(crate) struct Intuit {
    settings: Guarded<settings::Settings>,
    apps: Guarded<Apps>,
    grants: Guarded<grants::Grants>,
    books: Guarded<books::Books>,
    limits: Guarded<limits::Limits>,
    deliveries: deliveries::Deliveries,
}

impl Intuit {
    pub(crate) fn new(options: &IntuitOptions, now: Timestamp) -> Self {
        Self {
            settings: Guarded::new(settings::Settings::new(options)),
            apps: Guarded::new(Apps::new(options.app.clone())),
            grants: Guarded::default(),
            books: Guarded::new(seed::first_books(options, now)),
            limits: Guarded::default(),
            deliveries: deliveries::Deliveries::default(),
        }
    }

    /// Goes back to the state at the start.
    pub(crate) fn reset(&self, options: &IntuitOptions, now: Timestamp) {
        *self.settings.lock() = settings::Settings::new(options);
        *self.apps.lock() = Apps::new(options.app.clone());
        *self.grants.lock() = grants::Grants::default();
        *self.books.lock() = seed::first_books(options, now);
        *self.limits.lock() = limits::Limits::default();
        self.deliveries.reset();
    }
}

/// Returns the provider's routes, to be served under `/intuit`.
pub(crate) fn router() -> Router<Arc<World>> {
    Router::new()
        .route("/.well-known/openid_configuration", get(discovery::show))
        .route("/.well-known/openid_sandbox_configuration", get(discovery::show))
        .route("/connect/oauth2", get(authorize::begin))
        .route("/connect/oauth2/decision", post(authorize::decide))
        .route("/oauth2/v1/tokens/bearer", post(token::grant))
        .route("/v2/oauth2/tokens/revoke", post(revoke::revoke))
        .route("/v3/company/{realm}/{*rest}", any(api::dispatch))
}

/// Reads from a request what the call log and the faults go by.
pub(crate) fn inspect(parts: &Parts, body: &Bytes) -> Presented {
    let path = parts.uri.path();
    let endpoint = match path {
        "/intuit/connect/oauth2" | "/intuit/connect/oauth2/decision" => Endpoint::Authorize,
        "/intuit/oauth2/v1/tokens/bearer" => Endpoint::Token,
        "/intuit/v2/oauth2/tokens/revoke" => Endpoint::Revoke,
        _ if path.starts_with(COMPANY_PATH) => Endpoint::Api,
        _ => Endpoint::Other,
    };
    let field = |name: &str| {
        url::form_urlencoded::parse(body).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let company = path.strip_prefix(COMPANY_PATH).and_then(|rest| rest.split('/').next()).map(str::to_owned);
    match endpoint {
        Endpoint::Token => Presented {
            endpoint,
            grant_type: field("grant_type"),
            token: field("refresh_token").or_else(|| field("code")),
            company: None,
        },
        Endpoint::Revoke => {
            Presented { endpoint, grant_type: None, token: revoke::token_of(body), company: None }
        }
        _ => Presented {
            endpoint,
            grant_type: None,
            token: bearer(&parts.headers).map(str::to_owned),
            company,
        },
    }
}

/// Makes the request id that Intuit sends with every answer.
fn intuit_tid(chance: &Chance) -> String {
    format!("1-{}-{}", chance.hex(8), chance.hex(24))
}
