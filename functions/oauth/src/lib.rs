//! The `oauth` function: sends the browser to the provider, and takes it back with a code.

mod answer;
mod callback;
mod config;
mod wiring;

use std::sync::Arc;

use domain::{
    authorization::{AuthorizationStore, BeginError, Connector, STATE_LIFE, begin},
    clock::Clock,
    entropy::Entropy,
    error::ErrorCode,
    id::{CorrelationId, Ids},
    provider::Provider,
    secret::OneTimeValue,
};
use edge::{
    http::{ApiError, correlation, redirect},
    public_url,
    query::Query,
};
use lambda_http::{
    Request, RequestExt as _, Response,
    http::{HeaderValue, Method, header},
};
use providers::{quickbooks, settings::QuickBooksSettings};

pub use config::Config;
pub use wiring::wire;

/// The cookie that binds a callback to the browser that began; `__Host-` keeps other hosts and plain http from setting it.
pub const BROWSER_COOKIE: &str = "__Host-ledgerbridge-connect";

/// What the function works with.
pub struct Deps {
    /// Turns callbacks into connections.
    pub connector: Connector,
    /// One-time values.
    pub requests: Arc<dyn AuthorizationStore>,
    /// QuickBooks' addresses and our credentials there.
    pub quickbooks: Arc<QuickBooksSettings>,
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
    let ["auth", provider, step @ ("connect" | "callback")] = segments[..] else {
        return Err(ApiError::new(ErrorCode::ValidationNotFound, "there is nothing at this address"));
    };
    let provider = configured(provider)?;
    if request.method() != Method::GET {
        // Mail scanners and link previews use HEAD: nothing may be used up by them.
        return Err(ApiError::new(ErrorCode::ValidationMethodNotAllowed, "open this address with GET"));
    }
    let query = Query::parse(request.uri().query().unwrap_or_default())?;
    let redirect_uri =
        format!("{}/auth/{provider}/callback", public_url(deps.public_url.as_deref(), request)?);
    match step {
        "connect" => connect(deps, provider, (&query, &redirect_uri), correlation).await,
        _ => {
            callback::handle(deps, (provider, request.headers()), (&query, &redirect_uri), correlation).await
        }
    }
}

fn configured(name: &str) -> Result<Provider, ApiError> {
    let known = name.parse().ok().filter(|provider| *provider == Provider::QuickBooks);
    known.ok_or_else(|| {
        ApiError::new(ErrorCode::ProviderUnknown, "there is no such provider here")
            .with("providers", vec!["quickbooks"])
    })
}

/// Uses up the one-time link and sends the browser to the provider.
async fn connect(
    deps: &Deps,
    provider: Provider,
    (query, redirect_uri): (&Query, &str),
    correlation: &CorrelationId,
) -> Result<Response<String>, ApiError> {
    let spent = || {
        ApiError::new(
            ErrorCode::AuthSessionExpired,
            "this connect link has expired or was used; ask for a new one",
        )
    };
    let code = OneTimeValue::new(query.get("session").ok_or_else(spent)?);
    let authorize = quickbooks::authorize_url(&deps.quickbooks, redirect_uri);
    let now = deps.clock.now();
    let begun = match begin(&*deps.requests, &*deps.entropy, now, (provider, &code), authorize).await {
        Ok(begun) => begun,
        Err(BeginError::LinkSpent) => return Err(spent()),
        Err(BeginError::Store(error)) => {
            return Err(ApiError::failure(ErrorCode::StorageUnavailable, &error));
        }
    };
    tracing::info!(provider = provider.as_str(), "Browser sent to the provider");
    let mut response = redirect(begun.location.as_str(), correlation);
    let cookie = format!(
        "{BROWSER_COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={}",
        begun.browser.expose(),
        STATE_LIFE.as_secs()
    );
    let cookie = HeaderValue::from_str(&cookie)
        .map_err(|error| ApiError::failure(ErrorCode::InternalError, &error))?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}
