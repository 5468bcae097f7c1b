//! The address at which a person consents.

use url::Url;

use crate::settings::XeroSettings;

/// Without this scope Xero issues no refresh token, and a connection would live for half an hour.
const OFFLINE_ACCESS: &str = "offline_access";

/// Returns the authorization request (RFC 6749 section 4.1.1) for `scopes` without `state` and challenge, which are added
/// once they are stored; a refresh token is asked for in any case.
#[must_use]
pub fn authorize_url(settings: &XeroSettings, redirect_uri: &str, scopes: &[String]) -> Url {
    let mut scope = scopes.join(" ");
    if !scopes.iter().any(|scope| scope == OFFLINE_ACCESS) {
        scope = format!("{scope} {OFFLINE_ACCESS}");
    }
    let mut url = settings.authorize_url.clone();
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &settings.client_id)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("scope", scope.trim_start());
    url
}
