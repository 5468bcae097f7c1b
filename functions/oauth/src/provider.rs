//! What connecting takes of each provider: its authorization request, and how its callback is read.

use domain::{
    authorization::AuthorizationEndpoint,
    error::ErrorCode,
    id::{Location, ProviderCompanyId},
    provider::Provider,
};
use edge::{config::ProviderSettings, http::ApiError, query::Query};
use providers::{issuer_agrees, quickbooks, xero, zoho};
use url::Url;

/// Intuit's realm ids are digits, seen with 9 to 19.
const MAX_REALM: usize = 20;

/// The provider that an address names, if it is configured here.
pub(crate) fn named(settings: &ProviderSettings, name: &str) -> Result<Provider, ApiError> {
    let configured: Vec<_> = settings.configured();
    let known = name.parse().ok().filter(|provider| configured.contains(provider));
    known.ok_or_else(|| {
        let names: Vec<_> = configured.iter().map(|provider| provider.as_str()).collect();
        ApiError::new(ErrorCode::ProviderUnknown, "there is no such provider here").with("providers", names)
    })
}

/// The authorization endpoint, from which the provider sends the browser back to `redirect_uri`.
pub(crate) fn endpoint<'a>(
    settings: &'a ProviderSettings,
    provider: Provider,
    redirect_uri: &'a str,
) -> Option<AuthorizationEndpoint<'a>> {
    Some(match provider {
        Provider::QuickBooks => {
            let app = settings.quickbooks.as_ref()?;
            let request = Box::new(|scopes: &[String]| quickbooks::authorize_url(app, redirect_uri, scopes));
            AuthorizationEndpoint { provider, scopes: &app.scopes, pkce: app.pkce, request }
        }
        Provider::Xero => {
            let app = settings.xero.as_ref()?;
            let request = Box::new(|scopes: &[String]| xero::authorize_url(app, redirect_uri, scopes));
            AuthorizationEndpoint { provider, scopes: &app.scopes, pkce: app.pkce, request }
        }
        Provider::Zoho => {
            let app = settings.zoho.as_ref()?;
            let request = Box::new(|scopes: &[String]| zoho::authorize_url(app, redirect_uri, scopes));
            AuthorizationEndpoint { provider, scopes: &app.scopes, pkce: app.pkce, request }
        }
    })
}

/// The company that a callback names, where the provider names one there.
pub(crate) fn company(provider: Provider, query: &Query) -> Result<Option<ProviderCompanyId>, ApiError> {
    if provider != Provider::QuickBooks {
        return Ok(None);
    }
    let realm = query.get("realmId").unwrap_or_default();
    let is_realm = realm.len() <= MAX_REALM && realm.bytes().all(|byte| byte.is_ascii_digit());
    let realm = realm.parse().ok().filter(|_| is_realm);
    realm
        .map(Some)
        .ok_or_else(|| ApiError::invalid("realmId", "the provider's answer names no company; start again"))
}

/// The data centre that a callback names, where the provider has several: only one of those configured, since the client
/// secret is sent there.
pub(crate) fn location(
    settings: &ProviderSettings,
    provider: Provider,
    query: &Query,
) -> Result<Option<Location>, ApiError> {
    let Some(app) = settings.zoho.as_ref().filter(|_| provider == Provider::Zoho) else { return Ok(None) };
    let named = app.data_centres.of_callback(query.get("location"), query.get("accounts-server"));
    named.map(Some).map_err(|error| {
        tracing::error!(error = %error, "Callback names a data centre that is not configured");
        ApiError::invalid("accounts-server", "the provider's answer names no known data centre; start again")
    })
}

/// Refuses a callback of another issuer than the provider it claims to be from (RFC 9207), where it names one.
pub(crate) fn check_issuer(
    settings: &ProviderSettings,
    (provider, location): (Provider, Option<&Location>),
    query: &Query,
) -> Result<(), ApiError> {
    let Some(issuer) = query.get("iss") else { return Ok(()) };
    let agrees = token_url(settings, provider, location).is_some_and(|url| issuer_agrees(issuer, &url));
    if agrees {
        return Ok(());
    }
    tracing::error!(provider = provider.as_str(), "Callback names another issuer");
    Err(ApiError::invalid("iss", "this answer is not from the provider that was asked; start again"))
}

fn token_url(settings: &ProviderSettings, provider: Provider, location: Option<&Location>) -> Option<Url> {
    match provider {
        Provider::QuickBooks => settings.quickbooks.as_ref().map(|app| app.token_url.clone()),
        Provider::Xero => settings.xero.as_ref().map(|app| app.token_url.clone()),
        Provider::Zoho => {
            let centre = settings.zoho.as_ref()?.data_centres.get(location?)?;
            Some(centre.accounts_server.clone())
        }
    }
}
