//! The `api` function: what an administrator and the product's backend ask and order.

mod admission;
mod audit;
mod breakers;
mod call;
mod companies;
mod config;
mod confirm;
mod connect_sessions;
mod connection_history;
mod connections;
mod cursors;
mod deliveries;
mod disconnect;
mod exact;
mod explain;
mod health;
mod history;
mod jobs;
mod keys;
mod memory;
mod openapi;
mod probes;
mod proxy;
mod queues;
mod quota;
mod records;
mod routes;
mod tenancy;
mod tenant_changes;
mod tenant_settings;
mod tenants;
mod token_issue;
mod token_refresh;
mod tokens;
mod usage;
mod users;
mod wiring;

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, http::Uri, middleware, response::Response, routing::get};
use domain::{
    audit::AuditLog,
    authorization::AuthorizationStore,
    clock::Clock,
    entropy::Entropy,
    event::EventBus,
    idempotency::RequestNames,
    proxy::Proxy,
    refresh::{BreakerStore, OutageSettings, RefreshInvoker, RefreshPolicy, SweepLog},
    sync::JobLog,
    webhook::{AddressKeys, DeliveryLog},
};
use edge::{config::ScopeLists, live_secrets::LiveSecrets};
use lambda_http::RequestExt as _;
use providers::proxy::ApiHosts;
use tower::ServiceExt as _;

pub use admission::Admission;
pub use config::{Config, webhook_addresses};
pub use cursors::Cursors;
pub use exact::Outgoing;
pub use probes::Probes;
pub use routes::{Document, ROUTES};
pub use tenancy::{Tenancy, TenancyStores};
pub use wiring::wire;

/// Bodies of this API are a few fields; nothing larger is read.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// What the function works with.
pub struct Deps {
    /// `ENVIRONMENT`: the deployment's name.
    pub environment: String,
    /// `PUBLIC_URL`, where it is set.
    pub public_url: Option<String>,
    /// `RETURN_URLS`: where a browser may be sent after connecting, exactly.
    pub return_urls: Vec<String>,
    /// What may be asked of each provider.
    pub scopes: ScopeLists,
    /// How many connect links one tenant may have made in a minute.
    pub connect_sessions_per_minute: u64,
    /// Who is let in.
    pub admission: Admission,
    /// What belongs to tenants.
    pub tenancy: Tenancy,
    /// Connect links.
    pub authorizations: Arc<dyn AuthorizationStore>,
    /// What all workers know of each provider.
    pub breakers: Arc<dyn BreakerStore>,
    /// The breakers of the data APIs.
    pub books_breakers: Arc<dyn BreakerStore>,
    /// Where others are told what happened.
    pub bus: Arc<dyn EventBus>,
    /// The audit log.
    pub audit: Arc<dyn AuditLog>,
    /// When the sweep last ran.
    pub sweeps: Arc<dyn SweepLog>,
    /// The log of webhook deliveries.
    pub deliveries: Arc<dyn DeliveryLog>,
    /// Where Zoho's organizations send their webhooks: of the newest key, as the webhook function takes them.
    pub webhook_addresses: LiveSecrets<AddressKeys>,
    /// The one function that may refresh and revoke.
    pub refresh: Arc<dyn RefreshInvoker>,
    /// How many jobs stand where.
    pub job_log: Arc<dyn JobLog>,
    /// Calls providers for others.
    pub proxy: Proxy,
    /// Where the providers' data APIs are.
    pub api_hosts: ApiHosts,
    /// What lists give out as the place where they go on.
    pub cursors: Cursors,
    /// What callers name their requests.
    pub request_names: Arc<dyn RequestNames>,
    /// What can be asked whether it can be used.
    pub probes: Probes,
    /// When a token is due.
    pub policy: RefreshPolicy,
    /// When a provider counts as out.
    pub outage: OutageSettings,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

/// Answers one request.
///
/// The gateway puts its stage in front of the path; routes do not know it.
pub async fn handle(router: &Router, mut request: lambda_http::Request) -> Response {
    let path = address(request.raw_http_path());
    let path_and_query = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    if let Ok(uri) = Uri::try_from(path_and_query) {
        *request.uri_mut() = uri;
    }
    let Ok(response) = router.clone().oneshot(request).await;
    response
}

/// A path as an address has it, whether or not the gateway undid its encoding: what could not stand in one, or would end
/// it, is encoded again.
fn address(path: &str) -> String {
    let stands = |byte: u8| byte.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&byte);
    let written = |byte: u8| if stands(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.bytes().map(written).collect()
}

/// Every route, behind the key check.
pub fn router(deps: Arc<Deps>) -> Router {
    routes::routes()
        .method_not_allowed_fallback(call::method_not_allowed)
        .fallback(call::not_found)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(deps.clone(), call::admit))
        .route("/api/openapi.json", get(openapi::show))
        .with_state(deps)
}
