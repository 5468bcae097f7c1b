//! The provider's callback: parameters checked for form, then completed, then the browser sent on.

use domain::{
    authorization::{Callback, CallbackAnswer, CompanyError, CompleteError, Completed, ConnectFailure, hash},
    connection::MAX_COMPANIES,
    error::ErrorCode,
    id::CorrelationId,
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

use crate::{Deps, answer, cookie, halted_at, provider};

/// Intuit's codes have up to 512 characters; twice as much is surely none.
const MAX_CODE: usize = 1024;
/// RFC 6749 section 4.1.2.1: the person said no.
const ACCESS_DENIED: &str = "access_denied";

/// Answers a callback.
pub(crate) async fn handle(
    deps: &Deps,
    (provider, headers): (Provider, &HeaderMap),
    (query, redirect_uri): (&Query, &str),
    correlation: &CorrelationId,
) -> Result<Response<String>, ApiError> {
    let state = OneTimeValue::new(query.get("state").ok_or_else(unknown_state)?);
    let state_hash = hash(&state);
    let callback = Callback {
        provider,
        browser: cookie::read(headers, &state_hash),
        answer: read(deps, provider, query)?,
        correlation: correlation.clone(),
        state,
    };
    let mut response = match deps.connector.complete(callback, redirect_uri).await {
        Ok(completed) => {
            let Completed { key, .. } = &completed;
            tracing::info!(
                tenantId = %key.tenant, connectionId = %key.connection, provider = provider.as_str(), "Company connected"
            );
            answer::connected(&completed, correlation)
        }
        Err(error) => {
            tracing::warn!(provider = provider.as_str(), error = chain(&error), "Company not connected");
            refused(error, correlation)?
        }
    };
    let cleared =
        cookie::clear(&state_hash).map_err(|error| ApiError::failure(ErrorCode::InternalError, &error))?;
    response.headers_mut().insert(header::SET_COOKIE, cleared);
    Ok(response)
}

/// Whatever is wrong with the form of a callback is refused here, before its state is used up or anybody is asked.
fn read(deps: &Deps, provider: Provider, query: &Query) -> Result<CallbackAnswer, ApiError> {
    let settings = &deps.providers;
    let location = provider::location(settings, provider, query)?;
    provider::check_issuer(settings, (provider, location.as_ref()), query)?;
    if let Some(error) = query.get("error") {
        return Ok(CallbackAnswer::Refused { error: error.to_owned() });
    }
    Ok(CallbackAnswer::Granted { code: code(query)?, company: provider::company(provider, query)?, location })
}

fn code(query: &Query) -> Result<AuthorizationCode, ApiError> {
    let code = query.get("code").unwrap_or_default();
    if code.is_empty() || code.len() > MAX_CODE || !code.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ApiError::invalid("code", "the provider's answer holds no usable code; start again"));
    }
    Ok(AuthorizationCode::new(code))
}

fn unknown_state() -> ApiError {
    ApiError::new(
        ErrorCode::AuthStateInvalid,
        "this page belongs to no connection that was begun in this browser; start again",
    )
}

/// Sends the browser on where the request says so, or tells it here.
fn refused(error: CompleteError, correlation: &CorrelationId) -> Result<Response<String>, ApiError> {
    match error {
        CompleteError::State => Err(unknown_state()),
        CompleteError::StateUsed => Err(ApiError::new(
            ErrorCode::AuthStateUsed,
            "this page was opened before; go back to where you began to see whether it worked",
        )),
        CompleteError::Unread(error) => Err(ApiError::failure(ErrorCode::StorageUnavailable, &error)),
        CompleteError::Failed { return_url, failure } => {
            let error = explain(&failure);
            match return_url {
                Some(return_url) => Ok(answer::return_failed(&return_url, error.code, correlation)),
                None => Err(error),
            }
        }
    }
}

/// What a failure means for the person in front of the browser.
fn explain(failure: &ConnectFailure) -> ApiError {
    let failed = |message: &str| ApiError::new(ErrorCode::AuthOauthFailed, message);
    match failure {
        ConnectFailure::Refused { error: Some(error) } if error == ACCESS_DENIED => {
            ApiError::new(ErrorCode::AuthAccessDenied, "the connection was not allowed at the provider")
        }
        ConnectFailure::Refused { .. } => failed("the provider refused the connection; start again"),
        ConnectFailure::Exchange(TokenEndpointError::AppRefused(_)) => {
            failed("the provider does not accept this product's credentials")
        }
        ConnectFailure::Exchange(_) => failed("the provider did not complete the connection; start again"),
        ConnectFailure::Companies(error) => explain_companies(error),
        ConnectFailure::OwnedElsewhere => {
            let message = "this company is connected to another account already";
            ApiError::new(ErrorCode::CompanyConnectedElsewhere, message)
        }
        ConnectFailure::DifferentCompany => {
            let message = "another company was chosen than the one to be connected again; start again and choose that one";
            ApiError::new(ErrorCode::CompanyDifferent, message)
        }
        ConnectFailure::Halted(halted) => halted_at(*halted),
        ConnectFailure::OverQuota { limit, used } => {
            let message = "this account is connected to as many companies as its plan allows";
            let error = ApiError::new(ErrorCode::QuotaExceeded, message);
            error.with("quota", "integrations").with("limit", *limit).with("used", *used)
        }
        ConnectFailure::NotConfigured => {
            ApiError::new(ErrorCode::ProviderUnknown, "there is no such provider here")
        }
        ConnectFailure::Seal(error) => ApiError::failure(ErrorCode::StorageUnavailable, error),
        ConnectFailure::Store(error) => ApiError::failure(ErrorCode::StorageUnavailable, error),
    }
}

fn explain_companies(error: &CompanyError) -> ApiError {
    match error {
        CompanyError::Foreign | CompanyError::Unavailable(_) => ApiError::new(
            ErrorCode::AuthOauthFailed,
            "the provider does not confirm the company; start again",
        ),
        CompanyError::NoCompany => {
            ApiError::new(ErrorCode::CompanyNotChosen, "no company was chosen at the provider; start again")
        }
        CompanyError::TooMany { found } => {
            let message = format!(
                "the consent is for {found} companies, at most {MAX_COMPANIES} can be connected at once"
            );
            ApiError::new(ErrorCode::CompanyNotChosen, message)
        }
        CompanyError::ScopeMissing { scope } => {
            let message =
                format!("the scope {scope} was not allowed at the provider; start again and allow it");
            ApiError::new(ErrorCode::AuthProviderScopeMissing, message).with("scope", *scope)
        }
    }
}
