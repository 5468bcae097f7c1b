//! Calling a provider's API with the token of a connection.

use std::{str::FromStr, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest as _, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use domain::{
    access::AccessError,
    connection::{Connection, ConnectionState},
    error::ErrorCode,
    limits::{Held, HeldBy},
    proxy::{
        Method, ProxyAnswer, ProxyError, ProxyPath, ProxyRequest, Refused, Target, UpstreamError, parameters,
    },
    store::chain,
};
use edge::http::{ApiError, passed_on, single};

use crate::{
    Deps,
    call::{Call, Outcome, Parameters, Refusal, method_not_allowed},
    companies::{self, Meant},
    connections,
    exact::Exact,
    jobs::usable,
    openapi::{OfTenant, OneConnection},
    tenancy::Within,
};

/// What this route is below.
const PREFIX: &str = "/api/proxy/";
/// The longest body that is passed on, in bytes: Lambda takes six megabytes, among them the body in base64.
pub(crate) const MAX_BODY: usize = 4_500_000;
/// The parameters of a query that are ours.
const OURS: [&str; 2] = ["companyId", "tenantId"];

/// `ANY /api/proxy/{connectionId}/{path}?companyId=&tenantId=`
#[utoipa::path(
    method(get, post, put, patch, delete),
    path = "/api/proxy/{connection}/{path}",
    params(
        OneConnection,
        ("path" = String, Path, description = "The path below the API of the connection's company; may have several parts"),
        ("companyId" = Option<String>, Query, description = "The company, where the connection has several"),
        OfTenant,
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a write happen once"),
        ("If-Modified-Since" = Option<String>, Header, description = "Passed on"),
    ),
    responses(
        (status = 404, description = "There is no such connection"),
        (status = 409, description = "Several companies are meant, or the connection cannot be used"),
        (status = 413, description = "The body is too large to be passed on"),
        (status = 415, description = "The body is compressed"),
        (status = 502, description = "The provider failed, or its answer cannot be passed on"),
        (status = 504, description = "The provider did not answer: whether it did what was asked for is not known"),
        (status = "default", description = "The provider's own answer, told by the header `X-Ledgerbridge-Source`"),
    ),
)]
pub(crate) async fn call(
    State(deps): State<Arc<Deps>>,
    Parameters(query): Parameters,
    call: Call,
    request: Request,
) -> Outcome {
    let Ok(method) = request.method().as_str().parse::<Method>() else {
        return Err(method_not_allowed().await);
    };
    let uri = request.uri().clone();
    // The path as it came: what the router decodes could be read in two ways.
    let (id, path) =
        uri.path().strip_prefix(PREFIX).and_then(|rest| rest.split_once('/')).unwrap_or_default();
    let path = ProxyPath::parse(path).map_err(|error| ApiError::invalid("path", error.to_string()))?;
    let things = call.within(&deps, query.parsed("tenantId")?).await?;
    let connection = connections::find(&things, id).await?;
    if things.tenant_id().is_none() {
        call.counts_for(&deps, &connection.key.tenant).await?;
    }
    things.active(&connection.key.tenant).await?;
    usable(&connection)?;
    let target = target(&things, connection, query.get("companyId")).await?;
    let mut parameters = parameters(uri.query().unwrap_or_default());
    parameters.retain(|(name, _)| !OURS.contains(&name.as_str()));
    let asked = read(method, (path, parameters), request).await?;
    let answer = deps.proxy.call(&target, asked).await.map_err(|error| refusal(&deps, error))?;
    Ok(answered(answer, &call))
}

/// The company that is meant, among those of the connection.
async fn target(
    things: &Within<'_>,
    connection: Connection,
    company: Option<&str>,
) -> Result<Target, Refusal> {
    let Connection { key, provider, .. } = connection;
    let mut of_connection = things.companies(&key).await?;
    if let Some(named) = company {
        of_connection.retain(|company| company.id.as_str() == named || company.provider_id.as_str() == named);
    }
    let meant =
        |company: &domain::connection::Company| Meant { key: key.clone(), company: company.id.clone() };
    let one =
        companies::only(of_connection.iter().map(meant).collect(), "the connection has no such company")?;
    let one = of_connection.into_iter().find(|company| company.id == one.company);
    let company = one.ok_or_else(connections::missing)?.provider_id;
    Ok(Target { key, provider, company })
}

/// Reads what is to be passed on.
async fn read(
    method: Method,
    (path, query): (ProxyPath, Vec<(String, String)>),
    request: Request,
) -> Result<ProxyRequest, Refusal> {
    let headers = request.headers();
    if headers.contains_key(header::CONTENT_ENCODING) {
        let message = "send the body without Content-Encoding";
        return Err(ApiError::new(ErrorCode::ValidationMediaType, message).into());
    }
    let accept = passable(headers, "Accept")?;
    let content_type = passable(headers, "Content-Type")?;
    let if_modified_since = passable(headers, "If-Modified-Since")?;
    let key = passable::<domain::proxy::RequestKey>(headers, "Idempotency-Key")?;
    let body = Bytes::from_request(request, &()).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let message = format!("send at most {MAX_BODY} bytes");
            ApiError::new(ErrorCode::ValidationBodyTooLarge, message)
        }
        _ => ApiError::invalid("body", "the body could not be read"),
    })?;
    Ok(ProxyRequest { method, path, query, accept, content_type, if_modified_since, key, body: body.into() })
}

/// A header that may stand once.
pub(crate) fn passable<T: FromStr>(headers: &HeaderMap, name: &'static str) -> Result<Option<T>, ApiError>
where
    T::Err: std::fmt::Display,
{
    if !headers.contains_key(name) {
        return Ok(None);
    }
    let value = single(headers, name).ok_or_else(|| ApiError::invalid(name, format!("send {name} once")))?;
    value.parse().map(Some).map_err(|error: T::Err| ApiError::invalid(name, error.to_string()))
}

/// The provider's answer, byte for byte.
fn answered(answer: ProxyAnswer, call: &Call) -> Response {
    let ProxyAnswer { status, headers, body } = answer;
    let mut response = passed_on((status, &headers), body, &call.correlation).map(Body::from);
    response.extensions_mut().insert(Exact);
    response
}

fn refusal(deps: &Deps, error: ProxyError) -> Refusal {
    match error {
        ProxyError::Refused(Refused { field, message }) => ApiError::invalid(field, message),
        ProxyError::Access(error) => without_token(&error),
        ProxyError::NoTime => ApiError::new(
            ErrorCode::AuthTokenExpired,
            "the access token was not renewed in time, so nothing was sent; try again",
        ),
        ProxyError::Upstream(error) => without_answer(deps, &error),
    }
    .into()
}

/// Why there is no token, to whoever asked for what takes one.
pub(crate) fn without_token(error: &AccessError) -> ApiError {
    match error {
        AccessError::Missing => connections::missing(),
        AccessError::NotUsable(ConnectionState::ReconnectRequired) => {
            let message = "the provider refuses the refresh token; the customer must connect again";
            ApiError::new(ErrorCode::AuthRefreshTokenExpired, message)
        }
        AccessError::NotUsable(state) => {
            ApiError::new(ErrorCode::ConnectionStateConflict, "the connection cannot be used")
                .with("state", state.as_str())
        }
        AccessError::Expired => {
            let message = "the access token has ended and is not renewed yet, so nothing was done; try again";
            ApiError::new(ErrorCode::AuthTokenExpired, message)
        }
        AccessError::Unseal(error) => ApiError::failure(ErrorCode::SealOpenFailed, error),
        AccessError::Store(error) => ApiError::failure(ErrorCode::StorageUnavailable, error),
    }
}

fn held_back(deps: &Deps, held: Held) -> ApiError {
    let (code, message) = match held.by {
        HeldBy::Budget => (ErrorCode::RateLimitExceeded, "the provider's limits are used up for now"),
        HeldBy::Throttle => (ErrorCode::RateLimitExceeded, "the provider throttles"),
        HeldBy::Breaker => (ErrorCode::CircuitOpen, "the provider is failing"),
        HeldBy::Store => (ErrorCode::StorageUnavailable, "the provider's limits are not known for now"),
    };
    let mut error = ApiError::new(code, format!("nothing was sent: {message}; try again after Retry-After"));
    let seconds = held.until.duration_since(deps.clock.now()).as_secs().max(1);
    error.retry_after = u64::try_from(seconds).ok();
    error
}

fn without_answer(deps: &Deps, error: &UpstreamError) -> ApiError {
    tracing::warn!(error = chain(error), "Provider gave no answer to pass on");
    match error {
        UpstreamError::Held(held) => held_back(deps, *held),
        UpstreamError::Unreached(_) => {
            ApiError::new(ErrorCode::ProviderApiError, "the provider could not be reached; nothing was sent")
        }
        UpstreamError::Unanswered(_) => {
            let message = "the provider did not answer; whether it did what was asked for is not known";
            ApiError::new(ErrorCode::ProviderOutcomeUnknown, message)
        }
        UpstreamError::TooLarge { limit } => {
            let message = format!(
                "the provider's answer is longer than {limit} bytes; what was asked for was done, ask for less at once"
            );
            ApiError::new(ErrorCode::ProviderAnswerTooLarge, message).with("limit", *limit)
        }
    }
}
