//! The provider's callback: parameters checked for form, then completed, then the browser sent on.

use domain::{
    authorization::{Callback, CallbackAnswer, CompleteError, Completed},
    error::ErrorCode,
    id::{CorrelationId, ProviderCompanyId},
    provider::Provider,
    secret::{AuthorizationCode, OneTimeValue},
    store::chain,
    token::TokenEndpointError,
};
use edge::{http::ApiError, query::Query};
use lambda_http::{
    Response,
    http::{HeaderMap, header},
};

use crate::{BROWSER_COOKIE, Deps, answer};

/// Intuit's codes have up to 512 characters; twice as much is surely none.
const MAX_CODE: usize = 1024;
/// Intuit's realm ids are digits, seen with 9 to 19.
const MAX_REALM: usize = 20;

/// Answers a callback.
pub(crate) async fn handle(
    deps: &Deps,
    (provider, headers): (Provider, &HeaderMap),
    (query, redirect_uri): (&Query, &str),
    correlation: &CorrelationId,
) -> Result<Response<String>, ApiError> {
    let callback = read((provider, headers), query, correlation)?;
    match deps.connector.complete(callback, redirect_uri).await {
        Ok(completed) => {
            let Completed { key, .. } = &completed;
            tracing::info!(
                tenantId = %key.tenant, connectionId = %key.connection, provider = provider.as_str(), "Company connected"
            );
            Ok(answer::connected(&completed, correlation))
        }
        Err(error) => {
            tracing::warn!(provider = provider.as_str(), error = chain(&error), "Company not connected");
            refused(error, correlation)
        }
    }
}

fn read(
    (provider, headers): (Provider, &HeaderMap),
    query: &Query,
    correlation: &CorrelationId,
) -> Result<Callback, ApiError> {
    let state = query.get("state").ok_or_else(unknown_state)?;
    let answer = match query.get("error") {
        Some(error) => CallbackAnswer::Refused { error: error.to_owned() },
        None => CallbackAnswer::Granted { code: code(query)?, company: realm(query)? },
    };
    Ok(Callback {
        provider,
        state: OneTimeValue::new(state),
        browser: browser(headers),
        answer,
        correlation: correlation.clone(),
    })
}

fn code(query: &Query) -> Result<AuthorizationCode, ApiError> {
    let code = query.get("code").unwrap_or_default();
    if code.is_empty() || code.len() > MAX_CODE || !code.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ApiError::invalid("code", "the provider's answer holds no usable code; start again"));
    }
    Ok(AuthorizationCode::new(code))
}

fn realm(query: &Query) -> Result<ProviderCompanyId, ApiError> {
    let realm = query.get("realmId").unwrap_or_default();
    let is_realm = realm.len() <= MAX_REALM && realm.bytes().all(|byte| byte.is_ascii_digit());
    let realm = realm.parse().ok().filter(|_| is_realm);
    realm.ok_or_else(|| ApiError::invalid("realmId", "the provider's answer names no company; start again"))
}

/// The value of the binding cookie, where the browser sent exactly one.
fn browser(headers: &HeaderMap) -> Option<OneTimeValue> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut values = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|cookie| cookie.trim().strip_prefix(BROWSER_COOKIE)?.strip_prefix('='));
    let value = values.next()?;
    values.next().is_none().then(|| OneTimeValue::new(value))
}

fn unknown_state() -> ApiError {
    ApiError::new(
        ErrorCode::AuthStateInvalid,
        "this page belongs to no connection that was begun in this browser; start again",
    )
}

/// Sends the browser on where the request says so, or tells it here.
fn refused(error: CompleteError, correlation: &CorrelationId) -> Result<Response<String>, ApiError> {
    let (error, return_url) = match error {
        CompleteError::State => return Err(unknown_state()),
        CompleteError::Seal(error) => return Err(ApiError::failure(ErrorCode::StorageUnavailable, &error)),
        CompleteError::Store(error) => return Err(ApiError::failure(ErrorCode::StorageUnavailable, &error)),
        CompleteError::Refused { return_url } => (
            ApiError::new(ErrorCode::AuthAccessDenied, "the connection was not allowed at the provider"),
            return_url,
        ),
        CompleteError::Exchange { return_url, source } => (exchange(&source), return_url),
        CompleteError::Company { return_url, .. } => (
            ApiError::new(
                ErrorCode::AuthOauthFailed,
                "the provider does not confirm the company; start again",
            ),
            return_url,
        ),
        CompleteError::OwnedElsewhere { return_url } => {
            let message = "this company is connected to another account already";
            (ApiError::new(ErrorCode::CompanyConnectedElsewhere, message), return_url)
        }
    };
    match return_url {
        Some(return_url) => Ok(answer::return_failed(&return_url, error.code, correlation)),
        None => Err(error),
    }
}

fn exchange(error: &TokenEndpointError) -> ApiError {
    let message = match error {
        TokenEndpointError::AppRefused(_) => "the provider does not accept this product's credentials",
        _ => "the provider did not complete the connection; start again",
    };
    ApiError::new(ErrorCode::AuthOauthFailed, message)
}
