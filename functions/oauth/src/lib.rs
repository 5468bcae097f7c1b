//! The `oauth` function: sends the browser to the provider, and takes it back with a code.

mod answer;
mod callback;
mod config;
mod cookie;
mod provider;
mod wiring;

use std::sync::Arc;

use domain::{
    authorization::{AuthorizationStore, BeginError, Connector, begin, hash},
    clock::Clock,
    entropy::Entropy,
    error::ErrorCode,
    id::{CorrelationId, Ids},
    provider::Provider,
    secret::OneTimeValue,
    tenant::Halted,
};
use edge::{
    config::ProviderSettings,
    http::{ApiError, correlation, redirect},
    public_url,
    query::Query,
};
use lambda_http::{
    Request, RequestExt as _, Response,
    http::{Method, header},
};

pub use config::Config;
pub use cookie::PREFIX as COOKIE_PREFIX;
pub use wiring::wire;

/// What the function works with.
pub struct Deps {
    /// Turns callbacks into connections.
    pub connector: Connector,
    /// One-time values.
    pub requests: Arc<dyn AuthorizationStore>,
    /// Our app at each provider that is configured.
    pub providers: ProviderSettings,
    /// `PUBLIC_URL`, where it is set.
    pub public_url: Option<String>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

/// The correlation id of a request: the caller's or a new one.
#[must_use]
pub fn correlation_of(deps: &Deps, request: &Request) -> CorrelationId {
    correlation(request.headers(), Ids::new(&*deps.clock, &*deps.entropy))
}

/// Answers one request.
pub async fn handle(deps: &Deps, request: &Request, correlation: &CorrelationId) -> Response<String> {
    let wants_page = answer::wants_page(request.headers());
    match route(deps, request, correlation).await {
        Ok(response) => response,
        Err(error) if wants_page => answer::failure_page(&error, correlation),
        Err(error) => error.response(correlation),
    }
}

async fn route(
    deps: &Deps,
    request: &Request,
    correlation: &CorrelationId,
) -> Result<Response<String>, ApiError> {
    let path = request.raw_http_path();
    let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
    let (provider, step) = match segments[..] {
        ["auth", "connect"] => (None, "connect"),
        ["auth", name, step @ ("connect" | "callback")] => {
            (Some(provider::named(&deps.providers, name)?), step)
        }
        _ => return Err(ApiError::new(ErrorCode::ValidationNotFound, "there is nothing at this address")),
    };
    if request.method() != Method::GET {
        // Mail scanners and link previews use HEAD: nothing may be used up by them.
        return Err(ApiError::new(ErrorCode::ValidationMethodNotAllowed, "open this address with GET"));
    }
    let query = Query::parse(request.uri().query().unwrap_or_default())?;
    let public_url = public_url(deps.public_url.as_deref(), request)?;
    let Some(provider) = provider else { return choose(deps, (&query, &public_url), correlation).await };
    let redirect_uri = format!("{public_url}/auth/{provider}/callback");
    match step {
        "connect" => connect(deps, provider, (&query, &redirect_uri), correlation).await,
        _ => {
            callback::handle(deps, (provider, request.headers()), (&query, &redirect_uri), correlation).await
        }
    }
}

/// Shows whose books are about to be connected, and lets the person choose the provider; the link stays good.
async fn choose(
    deps: &Deps,
    (query, public_url): (&Query, &str),
    correlation: &CorrelationId,
) -> Result<Response<String>, ApiError> {
    let unread = |error| ApiError::failure(ErrorCode::StorageUnavailable, &error);
    let code = OneTimeValue::new(query.get("session").ok_or_else(spent)?);
    let session = deps.requests.find_session(&hash(&code), deps.clock.now()).await.map_err(unread)?;
    let session = session.ok_or_else(spent)?;
    let tenant = deps.connector.tenants.find(&session.tenant).await.map_err(unread)?;
    let name = tenant.map_or_else(|| session.tenant.to_string(), |tenant| tenant.name);
    let mut providers = deps.providers.configured();
    providers.retain(|provider| session.provider.is_none_or(|only| only == *provider));
    // A code that was found is one of ours, in letters that an address takes as they are.
    let code = code.expose();
    let link =
        |provider: Provider| (provider, format!("{public_url}/auth/{provider}/connect?session={code}"));
    let links: Vec<_> = providers.into_iter().map(link).collect();
    Ok(answer::choice(&name, &links, correlation))
}

/// Nothing is connected for a tenant at present.
fn halted_at(halted: Halted) -> ApiError {
    ApiError::new(halted.code(), "nothing can be connected for this account at present")
}

fn spent() -> ApiError {
    let message = "this connect link has expired or was used; ask for a new one";
    ApiError::new(ErrorCode::AuthSessionExpired, message)
}

/// Uses up the one-time link and sends the browser to the provider.
async fn connect(
    deps: &Deps,
    provider: Provider,
    (query, redirect_uri): (&Query, &str),
    correlation: &CorrelationId,
) -> Result<Response<String>, ApiError> {
    let code = OneTimeValue::new(query.get("session").ok_or_else(spent)?);
    let endpoint = provider::endpoint(&deps.providers, provider, redirect_uri).ok_or_else(spent)?;
    let now = deps.clock.now();
    let stores = (&*deps.requests, &*deps.connector.tenants);
    let begun = match begin(stores, &*deps.entropy, now, &code, &endpoint).await {
        Ok(begun) => begun,
        Err(BeginError::LinkSpent) => return Err(spent()),
        Err(BeginError::Halted(halted)) => return Err(halted_at(halted)),
        Err(BeginError::Store(error)) => {
            return Err(ApiError::failure(ErrorCode::StorageUnavailable, &error));
        }
    };
    tracing::info!(provider = provider.as_str(), "Browser sent to the provider");
    let mut response = redirect(begun.location.as_str(), correlation);
    let cookie = cookie::set(&begun.state_hash, &begun.browser)
        .map_err(|error| ApiError::failure(ErrorCode::InternalError, &error))?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}
