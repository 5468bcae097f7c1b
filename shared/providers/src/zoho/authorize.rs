//! The address at which a person consents.

use url::Url;

use super::LIST_SCOPE;
use crate::settings::ZohoSettings;

/// Returns the authorization request (RFC 6749 section 4.1.1) for `scopes` without `state` and challenge, which are added
/// once they are stored. It begins at one data center; Zoho sends the person on to their own.
///
/// `access_type=offline` brings a refresh token, and `prompt=consent` brings one again to somebody who consented before.
#[must_use]
pub fn authorize_url(settings: &ZohoSettings, redirect_uri: &str, scopes: &[String]) -> Url {
    // Without the list of organizations no grant can be connected.
    let list = (!scopes.iter().any(|scope| scope == LIST_SCOPE)).then_some(LIST_SCOPE);
    let scopes: Vec<_> = scopes.iter().map(String::as_str).chain(list).collect();
    let mut url = settings.data_centres.beginning().accounts(&["oauth", "v2", "auth"]);
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &settings.client_id)
        .append_pair("scope", &scopes.join(","))
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("access_type", "offline")
        .append_pair("prompt", "consent");
    url
}
