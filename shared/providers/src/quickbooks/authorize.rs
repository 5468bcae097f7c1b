//! The address at which a person consents.

use url::Url;

use crate::settings::QuickBooksSettings;

/// Returns the authorization request (RFC 6749 section 4.1.1) for `scopes` without `state` and challenge, which are added
/// once they are stored.
#[must_use]
pub fn authorize_url(settings: &QuickBooksSettings, redirect_uri: &str, scopes: &[String]) -> Url {
    let mut url = settings.authorize_url.clone();
    url.query_pairs_mut()
        .append_pair("client_id", &settings.client_id)
        .append_pair("response_type", "code")
        .append_pair("scope", &scopes.join(" "))
        .append_pair("redirect_uri", redirect_uri);
    url
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::secret::ClientSecret;

    use super::*;
    use crate::settings::{
        QUICKBOOKS_ACCOUNTING_SCOPE, QUICKBOOKS_API_BASE_URL, QUICKBOOKS_AUTHORIZE_URL,
        QUICKBOOKS_REVOKE_URL, QUICKBOOKS_TOKEN_URL,
    };

    #[test]
    fn the_request_names_the_app_and_the_way_back_but_neither_secret_nor_state() {
        let settings = QuickBooksSettings {
            client_id: "ABx1".to_owned(),
            client_secret: ClientSecret::new("hush"),
            authorize_url: QUICKBOOKS_AUTHORIZE_URL.parse().unwrap(),
            token_url: QUICKBOOKS_TOKEN_URL.parse().unwrap(),
            revoke_url: QUICKBOOKS_REVOKE_URL.parse().unwrap(),
            api_base_url: QUICKBOOKS_API_BASE_URL.parse().unwrap(),
            scopes: vec![QUICKBOOKS_ACCOUNTING_SCOPE.to_owned(), "openid".to_owned()],
            pkce: false,
            post_timeout: Duration::from_secs(1),
        };

        let url =
            authorize_url(&settings, "https://app.example/auth/quickbooks/callback?a=b&c", &settings.scopes);

        insta::assert_snapshot!(url, @"https://appcenter.intuit.com/connect/oauth2?client_id=ABx1&response_type=code&scope=com.intuit.quickbooks.accounting+openid&redirect_uri=https%3A%2F%2Fapp.example%2Fauth%2Fquickbooks%2Fcallback%3Fa%3Db%26c");
    }
}
