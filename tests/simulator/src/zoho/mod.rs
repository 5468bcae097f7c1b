//! Zoho Books: its data centers with their OAuth servers, the data API and the webhooks of organizations.

mod answers;
mod api;
mod apps;
mod authorize;
mod consent_page;
pub(crate) mod control;
mod deliveries;
mod foreign;
mod grants;
mod homes;
mod limits;
mod lists;
mod locations;
mod options;
mod organizations;
mod resources;
mod revoke;
mod scopes;
mod seed;
mod serverinfo;
mod settings;
mod signature;
mod token;
mod users;
mod webhooks;
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
    guarded::Guarded,
    oauth::authorization,
    provider::{Endpoint, Presented},
    world::World,
};

pub(crate) use deliveries::deliver;
pub use locations::Location;
pub use options::{ZohoAppOptions, ZohoOptions, ZohoOrganizationOptions, ZohoUserOptions};

/// The state of the Zoho side.
#[derive(Debug)]
pub(crate) struct Zoho {
    settings: Guarded<settings::Settings>,
    apps: Guarded<apps::Apps>,
    users: Guarded<users::Users>,
    grants: Guarded<grants::Grants>,
    organizations: Guarded<organizations::Organizations>,
    limits: Guarded<limits::Limits>,
    deliveries: deliveries::Deliveries,
}

impl Zoho {
    pub(crate) fn new(options: &ZohoOptions, now: Timestamp) -> Self {
        Self {
            settings: Guarded::new(settings::Settings::new(options)),
            apps: Guarded::new(apps::Apps::new(options.app.clone())),
            users: Guarded::new(users::Users::new(options.users.clone())),
            grants: Guarded::default(),
            organizations: Guarded::new(seed::first_organizations(&options.organizations, now)),
            limits: Guarded::default(),
            deliveries: deliveries::Deliveries::default(),
        }
    }

    /// Goes back to the state at the start.
    pub(crate) fn reset(&self, options: &ZohoOptions, now: Timestamp) {
        *self.settings.lock() = settings::Settings::new(options);
        *self.apps.lock() = apps::Apps::new(options.app.clone());
        *self.users.lock() = users::Users::new(options.users.clone());
        *self.grants.lock() = grants::Grants::default();
        *self.organizations.lock() = seed::first_organizations(&options.organizations, now);
        *self.limits.lock() = limits::Limits::default();
        self.deliveries.reset();
    }
}

/// Returns the provider's routes, to be served under `/zoho`.
pub(crate) fn router() -> Router<Arc<World>> {
    Router::new()
        .route("/accounts/{location}/oauth/v2/auth", get(authorize::begin))
        .route("/accounts/{location}/oauth/v2/auth/decision", post(authorize::decide))
        .route("/accounts/{location}/oauth/v2/token", post(token::grant))
        .route("/accounts/{location}/oauth/v2/token/revoke", post(revoke::by_token))
        .route("/accounts/{location}/oauth/v2/revoke/token", post(revoke::by_client))
        .route("/accounts/{location}/oauth/serverinfo", get(serverinfo::show))
        .route("/api/{location}/books/v3/{*rest}", any(api::dispatch))
        .route("/foreign", any(foreign::answer))
        .route("/foreign/{*rest}", any(foreign::answer))
}

/// Reads from a request what the call log and the faults go by.
pub(crate) fn inspect(parts: &Parts, body: &Bytes) -> Presented {
    let path = parts.uri.path();
    let endpoint = if path == "/zoho/foreign" || path.starts_with("/zoho/foreign/") {
        Endpoint::Foreign
    } else {
        // What follows the name of the data center.
        match path.splitn(5, '/').collect::<Vec<_>>()[..] {
            ["", "zoho", "accounts", _, rest] => match rest {
                "oauth/v2/auth" | "oauth/v2/auth/decision" => Endpoint::Authorize,
                "oauth/v2/token" => Endpoint::Token,
                "oauth/v2/token/revoke" | "oauth/v2/revoke/token" => Endpoint::Revoke,
                _ => Endpoint::Other,
            },
            ["", "zoho", "api", _, rest] if rest.starts_with("books/v3/") => Endpoint::Api,
            _ => Endpoint::Other,
        }
    };
    let parameters = token::Parameters::of(parts.uri.query(), body);
    let parameter = |name: &str| parameters.get(name).map(str::to_owned);
    let presented = match endpoint {
        Endpoint::Revoke => parameter("token"),
        Endpoint::Token | Endpoint::Foreign => parameter("refresh_token").or_else(|| parameter("code")),
        _ => None,
    };
    Presented {
        endpoint,
        grant_type: parameter("grant_type")
            .filter(|_| matches!(endpoint, Endpoint::Token | Endpoint::Foreign)),
        token: presented.or_else(|| access_token(parts).map(str::to_owned)),
        company: parameter("organization_id").filter(|_| endpoint == Endpoint::Api),
    }
}

/// Returns the access token of a data request.
fn access_token(parts: &Parts) -> Option<&str> {
    authorization(&parts.headers, "Zoho-oauthtoken")
}
